"""The source files that a module's result depends on: its own and all it imports, directly or indirectly."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGES = ("agent", "train", "export")
ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds our packages."""


@cache
def sources_hash(module: str, root: Path = ROOT) -> str:
    """Return the sha256 in hex of the names and contents of `source_files`."""
    digest = hashlib.sha256()
    for file in source_files(module, root):
        name, content = file.relative_to(root).as_posix().encode(), file.read_bytes()
        digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)
    return digest.hexdigest()


def source_files(module: str, root: Path = ROOT) -> list[Path]:
    """Return the file of `module`, a dotted name, and those that its import may run, sorted.

    Imports inside functions count, those under `if TYPE_CHECKING:` do not.
    """
    found: dict[str, Path] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        file = _file_of(name, root)
        if name in found or file is None:
            continue
        found[name] = file
        pending += [name.rpartition(".")[0], *_imports(file)]
    return sorted(found.values())


def _file_of(name: str, root: Path) -> Path | None:
    """Return the file of a module of ours; None for any other name."""
    if name.split(".")[0] not in PACKAGES:
        return None
    path = root.joinpath(*name.split("."))
    files = path.with_suffix(".py"), path / "__init__.py"
    return next((file for file in files if file.is_file()), None)


def _imports(file: Path) -> set[str]:
    """Return the names that a file imports; of `from a import b` both a and a.b, which may be a module."""
    names: set[str] = set()
    nodes: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            nodes += node.orelse
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        nodes += ast.iter_child_nodes(node)
    return names
