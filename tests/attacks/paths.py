"""Hostile paths for the tools that take one: outside the workspace, through links, to protected places."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random
from typing import Any

from protected_places import CREDENTIALS, OBEYED, SPELLINGS, make, tree

from agent.errors import ProtectedPathError, ToolError
from agent.tools import Tool, ToolContext, Workspace, builtin_tools
from agent.tools.lib.confinement.protected import fold
from attacks.result import Result

SECRET = "token=secret"
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("read_file", {}),
    ("write_file", {"content": "x"}),
    ("search_text", {"query": "t"}),
    ("file_info", {}),
    ("list_files", {}),
)
"""The tools that are given each path, with their other arguments."""
UNWRITTEN = {".git", ".ssh", ".aws", ".vscode", ".env", ".env.local", ".bashrc", ".npmrc", ".netrc"}
"""Folded names of which no file or folder may have been made."""
UNWRITTEN_FILES = {"id_rsa", "head"}
"""Folded names of which no file may have been made."""
_LINKS = ("app", "up", "g", "s", "e", "out", "loop")
_ODD = ("..", ".", "", "~", "x\0", "x" * 300, "\udcff", "%2e%2e", "..\\", "/proc/self/root", "\u202e..")


def make_workspace(root: Path) -> None:
    """Make a workspace with protected files and links of every kind, beside a folder `outside`."""
    for path in (".git/config", ".ssh/id_rsa", ".env", "app/.env"):
        make(root, path)
    for path in (".github/workflows/ci.yml", ".bashrc"):
        make(root, path, "may be read\n")
    make(root.parent, "outside/secret.txt")
    for name, target in {
        "app/up": "..",
        "app/s": str(root / ".ssh"),
        "g": ".git",
        "e": "app/../.env",
        "loop": "loop",
        "out": "../outside",
    }.items():
        (root / name).symlink_to(target)


def hostile_path(random: Random, root: Path) -> str:
    """Return a path of one to five hostile parts."""
    parts = [part for path in (*CREDENTIALS, *OBEYED, *SPELLINGS) for part in path.split("/")]
    others = [*_LINKS, *_ODD, str(root), "secret.txt"]
    chosen = [random.choice(parts if random.random() < 0.6 else others) for _ in range(random.randint(1, 5))]
    return "/".join(chosen)


def attack(folder: Path, count: int) -> Result:
    """Give `count` hostile paths to each tool that takes one; then compare every file with before."""
    result = Result("hostile paths")
    result.allow_none("escapes", "secrets read", "protected files written", "crashes")
    root = folder / "work"
    make_workspace(root)
    context = ToolContext(Workspace(root), folder / "notes.jsonl")
    tools: dict[str, Tool] = {tool.name: tool for tool in builtin_tools()}
    before, random = tree(folder), Random(14)
    for number in range(count):
        path = hostile_path(random, root)
        result.count += 1
        for name, more in CALLS:
            try:
                if SECRET in tools[name].run(context, {"path": path, **more}):
                    result.fail("secrets read", f"{name} {path!r}")
                result.also["files written"] += name == "write_file"
            except ToolError as error:
                result.also["refused as protected"] += isinstance(error, ProtectedPathError)
            except Exception as error:
                result.fail("crashes", f"{name} {path!r}: {type(error).__name__}: {error}")
        if number % 200 == 199 or number == count - 1:
            compare(folder, before, result)
    return result


def compare(folder: Path, before: dict[str, bytes | None], result: Result) -> None:
    """Compare the files with `before`, and remove those that were made in the workspace."""
    after = tree(folder)
    for path in before.keys() | after.keys():
        if after.get(path) == before.get(path) and (path in after) == (path in before):
            continue
        if not path.startswith("work/"):
            result.fail("escapes", path)
        elif path in before or is_protected(path, after[path] is not None):
            result.fail("protected files written", path)
        target = folder / path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target, ignore_errors=True)
        elif path not in before and os.path.lexists(target):
            target.unlink()


def is_protected(path: str, is_file: bool) -> bool:
    names = [fold(part) for part in path.split("/")[1:]]
    return bool(UNWRITTEN.intersection(names)) or (is_file and names[-1] in UNWRITTEN_FILES)
