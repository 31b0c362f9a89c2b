"""README and docs are correct: sessions are run, command lines parsed, links followed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from lock import ROOT

from agent.paths import SHIPPED_DELTAS, bases_folder
from docs import PAGES, updated
from tui.cli.tree.root import umi

DOCUMENTS = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
    *sorted((ROOT / "docs").glob("*.md")),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TIMING = re.compile(r"^  \d+\.\d+ s: read .*", re.MULTILINE)
"""The last line of a turn: seconds and token counts."""
BASE = bases_folder() / "smollm2-135m"
"""Where `umi models pull` put the base; read before a test has an empty folder in the place of the user's."""
PLACEHOLDER = re.compile(r"^\[|^\||…")


def blocks(document: Path) -> Iterator[tuple[str, str]]:
    """Yield language and text of each fenced block."""
    for found in BLOCK.finditer(document.read_text(encoding="utf-8")):
        yield found[1], found[2]


def command_lines() -> list[tuple[str, list[str]]]:
    """Return (document, words) of every line of a block that runs `umi`, up to its comment."""
    lines = []
    for document in DOCUMENTS:
        for language, text in blocks(document):
            for line in text.replace("\\\n", " ").splitlines() if language in ("", "console") else ():
                line = line.removeprefix("$ ").partition("   ")[0].partition(" # ")[0].partition(" 2>")[0]
                if line.startswith("umi ") and not PLACEHOLDER.search(line):
                    lines.append((document.name, shlex.split(line)[1:]))
    return lines


def descend(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command or group that `words` begin with, and the words after it."""
    command: Any = typer.main.get_command(umi)
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize(("document", "words"), command_lines())
def test_a_command_line_of_a_document_is_one_that_umi_takes(document: str, words: list[str]) -> None:
    command, rest = descend(words)
    assert not hasattr(command, "commands"), f"{document}: no such command: {words}"
    command.make_context("umi", rest)


def test_the_summary_of_commands_is_complete() -> None:
    (summary,) = [text for language, text in blocks(ROOT / "README.md") if language == "text"]
    named: set[str] = set()
    for line in re.sub(r"\[.*?\]|  .*", "", summary, flags=re.MULTILINE).splitlines():
        first, *others = line.removeprefix("umi").split(" | ")
        command, arguments = descend(first.split())
        path = first.split()[: len(first.split()) - len(arguments)]
        assert not hasattr(command, "commands") or not path, line
        named.add(" ".join(path))
        group, _ = descend(path[:-1])
        for other in others:
            assert other.split()[0] in group.commands, line
            named.add(" ".join([*path[:-1], other.split()[0]]))

    def names(command: Any, path: str = "") -> Iterator[str]:
        for name, child in getattr(command, "commands", {}).items():
            yield from names(child, f"{path} {name}".strip())
        if not hasattr(command, "commands"):
            yield path

    assert set(names(typer.main.get_command(umi))) == named - {""}


def make_targets() -> list[tuple[str, str]]:
    """Return (document, target) of every `make TARGET` in code, in a line or in a block."""
    text = [(document.name, document.read_text(encoding="utf-8")) for document in DOCUMENTS]
    return sorted(
        {(name, found) for name, t in text for found in re.findall(r"(?:`|^)make ([a-z-]+)", t, re.M)}
    )


@pytest.mark.parametrize(("document", "target"), make_targets())
def test_a_make_target_of_a_document_exists(document: str, target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE), document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_leads_to_a_file(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    missing = [link for link in targets if not (document.parent / link.partition("#")[0]).exists()]
    assert not missing


def sessions() -> list[tuple[str, str]]:
    """Return (command, output) of every `$ ` line in README's console blocks."""
    found = []
    for language, text in blocks(ROOT / "README.md"):
        if language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append((command, output))
    return found


@pytest.fixture(scope="module")
def home_with_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a user who has the base, with the default models built."""
    home = tmp_path_factory.mktemp("home")
    (home / "models" / "bases").mkdir(parents=True)
    (home / "models" / "bases" / BASE.name).symlink_to(BASE)
    command = [sys.executable, "-P", "-m", "tui", "models", "build", SHIPPED_DELTAS.name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "UMI_HOME": str(home)}
    subprocess.run(command, cwd=home, env=environment, check=True)
    return home


@pytest.mark.skipif(
    not (BASE / "base.json").is_file() and not os.environ.get("CI"),
    reason=f"the base is not here: umi models pull {BASE.name}",
)
@pytest.mark.parametrize(("command", "output"), sessions())
def test_a_session_of_readme_has_the_output_shown(
    command: str, output: str, home_with_base: Path, tmp_path: Path
) -> None:
    shell = f'umi() {{ {shlex.quote(sys.executable)} -P -m tui "$@"; }}; {{ {command} ; }} 2>&1'
    done = subprocess.run(
        ["bash", "-c", shell],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "UMI_HOME": str(home_with_base)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert TIMING.sub("", done.stdout) == TIMING.sub("", output)


def test_the_python_of_readme_runs(tmp_path: Path) -> None:
    (program,) = [text for language, text in blocks(ROOT / "README.md") if language == "python"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "42" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("page", PAGES)
def test_generated_parts_of_pages_are_up_to_date(page: str) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == updated(page), "run: make docs"


def test_the_files_that_contributing_names_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Every file")[0]
    named = {name for name in re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", page) if "NAME" not in name}
    assert len(named) > 10
    assert not [name for name in named if not (ROOT / name).is_file()]
