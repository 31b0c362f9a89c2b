"""The import contract: which packages may import which, and what must not load with the light ones."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("agent", "train", "export", "tui", "umi", "serve")
SHARED = ("transcript", "prompting", "llama", "bundle", "evaluation", "tools", "errors", "paths")
"""The modules of agent that train and export may use."""
TREE = Path("tui", "cli", "tree")
EXTRA_COMMANDS = {
    "train": (TREE / "train.py", TREE / "train_data.py"),
    "export": (TREE / "export.py", TREE / "train.py"),
    "serve": (Path("tui", "cli", "serve.py"),),
}
"""The files of tui that may import train, export and serve, inside their commands only."""


def imports(path: Path) -> set[str]:
    """Return the absolute names that a file imports from our own packages.

    Imports inside functions count, those under `if TYPE_CHECKING:` do not.
    """
    found = set()
    nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            nodes += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {f"{node.module}.{name.name}" for name in node.names}
        nodes += ast.iter_child_nodes(node)
    return {name for name in found if name.split(".")[0] in PACKAGES}


def module_graph() -> dict[str, set[str]]:
    """Return the modules that each module of our packages imports, by dotted name."""
    files: dict[str, Path] = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        names = imports(path)
        graph[module] = {name if name in files else name.rpartition(".")[0] for name in names} & files.keys()
    return graph


def allowed(file: Path, name: str) -> bool:
    package = file.parts[0]
    top, *rest = name.split(".")
    if top == package:
        return True
    if package == "serve":
        return top in ("agent", "umi")
    if package in ("tui", "umi"):
        return top == "agent" or file in EXTRA_COMMANDS.get(top, ())
    if package == "export" and top == "train":
        return rest[0] in ("model", "run")
    return package in ("train", "export") and top == "agent" and rest[0] in SHARED


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in sorted(imports(path))
        if not allowed(path.relative_to(ROOT), name)
    ]
    assert not wrong


def test_no_import_circles() -> None:
    try:
        graphlib.TopologicalSorter(module_graph()).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" is imported by ".join(error.args[1]))


def loaded_after(code: str) -> set[str]:
    """The top-level modules in memory after `code` ran in a process of its own."""
    program = f"{code}\nimport sys\nprint(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_agent_loads_neither_torch_nor_a_front_end() -> None:
    modules = ", ".join(
        f"agent.{'.'.join(path.relative_to(ROOT / 'agent').with_suffix('').parts)}"
        for path in sorted((ROOT / "agent").rglob("*.py"))
        if path.stem != "__init__"
    )
    assert not loaded_after(f"import {modules}") & {
        "torch",
        "transformers",
        "textual",
        "tui",
        "train",
        "export",
    }


def test_the_app_loads_what_its_first_paint_needs() -> None:
    later = {"pydantic", "markdown_it", "sqlite3", "llama_cpp", "numpy", "typer", "mcp"}
    assert not loaded_after("import tui.app.app") & later


HEAVY = {
    *("torch", "transformers", "textual", "llama_cpp", "llguidance", "numpy", "mcp", "train", "export"),
    *("serve", "starlette", "uvicorn", "openai"),
}
"""What no `--help` loads (typer itself loads pydantic)."""


@pytest.mark.parametrize(
    "command",
    [
        "",
        "ask",
        "serve",
        "models",
        "mcp",
        "eval",
        "eval bfcl",
        "train",
        "train run",
        "train data",
        "train data import",
        "train bench trl",
        "export",
        "export bundle",
    ],
)
def test_help_loads_nothing_heavy(command: str) -> None:
    argv = [*command.split(), "--help"]
    assert not loaded_after(f"from tui.cli.main import main\nassert main({argv!r}) == 0") & HEAVY
