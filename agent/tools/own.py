"""Tools of the user's own: Python files of the config folder, and packages with an entry point `umi.tools`.

What cannot be used is skipped, with one line that says why; it never ends the command.
"""

from __future__ import annotations

import os
import stat
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from agent.paths import read_file, tools_folder
from agent.tools.base import Tool
from agent.tools.lib.output import shorten

ENTRY_POINT_GROUP = "umi.tools"
MAX_SOURCE_BYTES = 1024 * 1024
_PLAIN_KEYWORDS = {"type", "properties", "required", "items", "enum", "const", "description", "format"}
_PLAIN_KEYWORDS |= {"anyOf", "$ref", "$defs"}
"""Keywords of which a grammar is always made; what else a schema has is tried."""
_MAX_REASON = 200
"""Characters of the reason why something was skipped, at most."""


class UnusableToolsError(Exception):
    """A source of tools that is skipped; the text says why."""


@dataclass(frozen=True)
class FoundTools:
    """The tools of some sources, and a line for each that was skipped."""

    tools: tuple[Tool, ...] = ()
    problems: tuple[str, ...] = ()


def own_tools() -> FoundTools:
    """Return the tools of the config folder's files, sorted by file, and those of installed packages."""
    tools: list[Tool] = []
    problems: list[str] = []
    sources = [(str(path), path) for path in _files()]
    sources += [(f"the package {_distribution(point)}", point) for point in _entry_points()]
    for name, source in sources:
        try:
            found = load_file(source) if isinstance(source, Path) else _tools_of_package(source)
            tools += [replace(tool, source=name) for tool in _described(found)]
        except UnusableToolsError as reason:
            problems.append(f"{name} was skipped: {shorten(str(reason), _MAX_REASON)}")
    return FoundTools(tuple(tools), tuple(problems))


def distinct(known: Iterable[Tool], more: Iterable[Tool]) -> FoundTools:
    """Return those of `more` whose names are new; a tool never takes the name of one that is known."""
    taken = {tool.name: tool for tool in known}
    kept, problems = [], []
    for tool in more:
        if (other := taken.get(tool.name)) is not None:
            problems.append(
                f"{tool.name} of {tool.source} was skipped: {other.source} has a tool of that name"
            )
        else:
            taken[tool.name] = tool
            kept.append(tool)
    return FoundTools(tuple(kept), tuple(problems))


def load_file(path: Path) -> list[Tool]:
    """Run a Python file and return the tools that it defines. Raise UnusableToolsError."""
    _require_own(path)
    _require_own(path.parent)
    try:
        source = read_file(path, MAX_SOURCE_BYTES)
    except OSError as error:
        raise UnusableToolsError(error.strerror or str(error)) from None
    module = ModuleType(f"umi_own_tools.{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where type hints are looked up
    with _foreign_code(path):
        exec(compile(source, str(path), "exec"), module.__dict__)
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, Tool) and value.function.__module__ == module.__name__
    ]
    if not found:
        raise UnusableToolsError('it defines no tool; write @umi.tool(may="read") above a typed function')
    return found


def _files() -> list[Path]:
    """Return the files of the user's tools: neither tests nor those whose names begin with `_`."""
    try:
        names = sorted(os.listdir(tools_folder()))
    except OSError:
        return []
    return [
        tools_folder() / name
        for name in names
        if name.endswith(".py") and not name.startswith(("_", ".", "test_", "conftest."))
    ]


def _require_own(path: Path) -> None:
    """Raise UnusableToolsError where somebody else could have written the file or folder `path`."""
    try:
        about = path.stat()
    except OSError as error:
        raise UnusableToolsError(error.strerror or str(error)) from None
    if about.st_uid not in (os.getuid(), 0):
        raise UnusableToolsError(f"{path} belongs to another user")
    if about.st_mode & stat.S_IWOTH:  # not the group: in many systems a user has one of their own
        raise UnusableToolsError(f"everybody can write to {path}; chmod o-w mends that")


def _entry_points() -> Iterable[EntryPoint]:
    return sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: (_distribution(point), point.name))


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _tools_of_package(point: EntryPoint) -> list[Tool]:
    """Return the tool, or the tools of the module, that an entry point names. Raise UnusableToolsError."""
    with _foreign_code():
        loaded = point.load()
    found = [loaded] if isinstance(loaded, Tool) else []
    if isinstance(loaded, ModuleType):
        found = [value for value in vars(loaded).values() if isinstance(value, Tool)]
    if not found:
        raise UnusableToolsError(f"its entry point {point.name} is neither a tool nor a module with tools")
    return found


def _described(tools: Iterable[Tool]) -> Iterator[Tool]:
    for tool in tools:
        if not tool.spec.description:
            raise UnusableToolsError(f"{tool.name} has no docstring, which is what the models read of it")
        if not _keywords(tool.spec.parameters) <= _PLAIN_KEYWORDS:
            from agent.llama.grammar.calls import refusal  # slow to load, and of few schemas the question

            if why := refusal(tool.spec):
                raise UnusableToolsError(f"no grammar can be made of the parameters of {tool.name} ({why})")
        yield tool


def _keywords(schema: Any) -> set[str]:
    """Return the keywords of a schema and of those inside it."""
    if isinstance(schema, list):
        return set().union(*map(_keywords, schema))
    if not isinstance(schema, dict):
        return set()
    inner = (
        list(value.values()) if key in ("properties", "$defs") else value
        for key, value in schema.items()
        if key not in ("enum", "const")
    )
    return schema.keys() | set().union(*map(_keywords, inner))


@contextmanager
def _foreign_code(path: Path | None = None) -> Iterator[None]:
    """Raise UnusableToolsError for what other people's code raises in the block; its prints go to stderr."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (Exception, SystemExit) as error:
        raise UnusableToolsError(_reason(error, path)) from None


def _reason(error: BaseException, path: Path | None) -> str:
    """Return the error, with the line of the file at `path` that it comes from."""
    if isinstance(error, SyntaxError):
        line, said = error.lineno, error.msg
    else:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if path and frame.filename == str(path)]
        line, said = (lines[-1] if lines else None), str(error)
    return f"{f'line {line}: ' if line else ''}{type(error).__name__}: {said}"
