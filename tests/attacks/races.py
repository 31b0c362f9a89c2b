"""Races: a file or folder becomes a link between two system calls of a tool that uses it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from protected_places import make, tree

from agent.errors import ToolError
from agent.tools import Tool, ToolContext, Workspace, builtin_tools
from agent.tools.undo.store import UndoStore
from attacks.result import Result

SECRET = "token=secret"
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("read_file", {"path": "docs/a.txt"}),
    ("read_file", {"path": "docs/config"}),
    ("write_file", {"path": "docs/a.txt", "content": "x"}),
    ("write_file", {"path": "docs/new/b.txt", "content": "x"}),
    ("search_text", {"query": "token"}),
    ("search_text", {"query": "token", "path": "docs"}),
    ("find_files", {"name": "secret"}),
    ("list_files", {"path": "docs"}),
    ("file_info", {"path": "docs/a.txt"}),
)
SWAPS: tuple[tuple[str, str], ...] = (
    ("docs", "../outside"),
    ("docs", ".git"),
    ("docs", ".ssh"),
    ("docs/a.txt", "../../outside/a.txt"),
    ("docs/a.txt", "../.env"),
    ("docs/a.txt", "../.git/config"),
    ("docs/new", "../../outside"),
    ("docs/new", "../.git/hooks"),
)
"""What is replaced by a link, and where that leads."""
PATCHED = ("open", "stat", "mkdir", "readlink", "scandir", "replace", "fsync", "rename", "access", "unlink")
"""The functions of `os` before which the swap may happen."""
_UNPATCHED = {name: getattr(os, name) for name in PATCHED}


def make_workspace(folder: Path) -> None:
    """Make the workspace `folder / "work"`, and beside it a folder that it must not reach."""
    root = folder / "work"
    for path in (".git/config", ".ssh/a.txt", ".env"):
        make(root, path)
    for path in (".git/a.txt", ".git/hooks/x", "docs/a.txt", "docs/config"):
        make(root, path, "may be read\n")
    for path in ("outside/a.txt", "outside/secret.txt", "outside/new/c.txt"):
        make(folder, path)


@contextmanager
def swapped_at(moment: int, swap: Callable[[], None]) -> Iterator[list[int]]:
    """Run `swap` before the system call number `moment` (from 1) of the block; yield the count so far."""
    seen = [0]

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            seen[0] += 1
            if seen[0] == moment:
                swap()
            return function(*arguments, **options)

        return called

    with ExitStack() as stack:
        for name in PATCHED:
            stack.enter_context(mock.patch.object(os, name, wrap(getattr(os, name))))
        yield seen


def attack(folder: Path, count: int) -> Result:
    """Run until `count` calls of tools had a swap in their midst; each starts from the same files."""
    result = Result("races")
    result.allow_none("escapes", "secrets read", "protected files written", "crashes")
    tools: dict[str, Tool] = {tool.name: tool for tool in builtin_tools()}
    random, root = Random(14), folder / "work"
    make_workspace(folder)
    before = tree(folder)
    while result.count < count:
        name, arguments = random.choice(CALLS)
        place, target = random.choice(SWAPS)
        context = ToolContext(Workspace(root, undo=UndoStore(folder / "undo")), folder / "notes.jsonl")
        hit = [False]

        def swap(place: str = place, target: str = target, hit: list[bool] = hit) -> None:
            hit[0] = True
            with mock.patch.multiple(os, **_UNPATCHED):
                _replace_by_link(root / place, target)

        with swapped_at(random.randint(1, 40), swap):
            try:
                if SECRET in tools[name].run(context, arguments):
                    result.fail("secrets read", f"{name} {arguments}, {place} becomes {target}")
            except ToolError:
                result.also["refused"] += hit[0]
            except Exception as error:
                result.fail("crashes", f"{name} {arguments}, {place}: {type(error).__name__}: {error}")
        result.count += hit[0]
        _compare(folder, before, result, f"{name} {arguments}, {place} becomes {target}")
    return result


def _replace_by_link(path: Path, target: str) -> None:
    if path.exists():
        path.rename(path.with_name(f"{path.name} moved"))
    if path.parent.is_dir() and not os.path.lexists(path):
        path.symlink_to(target)


def _compare(folder: Path, before: dict[str, bytes | None], result: Result, what: str) -> None:
    """Compare what must not change with `before`, then make the workspace anew."""
    after = tree(folder)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    for path in changed:
        if path.startswith("outside"):
            result.fail("escapes", f"{path}: {what}")
        elif path.startswith(("work/.git", "work/.ssh", "work/.env")):
            result.fail("protected files written", f"{path}: {what}")
    if changed:
        shutil.rmtree(folder / "work")
        shutil.rmtree(folder / "outside")
        shutil.rmtree(folder / "undo", ignore_errors=True)
        make_workspace(folder)
