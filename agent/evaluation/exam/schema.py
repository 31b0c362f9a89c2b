"""The schema of an exam file: workspaces, tasks and dialogues by category, as pydantic dataclasses.

A file is TOML: `[workspaces.NAME]`, `[[tasks.CATEGORY]]` (one exchange each) and `[[dialogues.CATEGORY]]`
with `[[dialogues.CATEGORY.turns]]` (two to five exchanges). Files are in the folder of their half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from agent.tools import BUILTIN_NAMES
from agent.transcript import Call

_CONFIG = ConfigDict(extra="forbid", use_attribute_docstrings=True)

Half = Literal["development", "test"]
HALVES: tuple[Half, ...] = ("development", "test")
Fact = str | tuple[str, ...]
"""A text that must be stated (see `agent.evaluation.exam.facts`), or alternatives of which one suffices."""
Ending = Literal["answered", "gave_up", "failed"]


def _built_in(name: str) -> str:
    if name not in BUILTIN_NAMES:
        raise ValueError(f"{name} is not a built-in tool")
    return name


ToolName = Annotated[str, AfterValidator(_built_in)]
"""The name of a built-in tool."""
DEFAULT_CLOCK = "2026-05-18 09:40 Europe/Berlin"


@dataclass(frozen=True, config=_CONFIG)
class LongFile:
    """A long file whose lines follow one pattern."""

    lines: Annotated[int, Field(ge=1, le=20_000)]
    """Number of lines."""
    text: str
    """Each line; `{n}` stands for its number, counted from 1."""
    replace: Mapping[str, str] = field(default_factory=dict)
    """Line number -> text of that line."""

    def content(self) -> str:
        """Return the text of the file."""
        lines = [self.text.replace("{n}", str(number)) for number in range(1, self.lines + 1)]
        for number, line in self.replace.items():
            lines[int(number) - 1] = line
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, config=_CONFIG)
class World:
    """The initial state of a task: files, notes and the time."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Path -> text."""
    long: Mapping[str, LongFile] = field(default_factory=dict)
    """Path -> description of a long file."""
    folders: tuple[str, ...] = ()
    """Folders to create, including empty ones."""
    changed: Mapping[str, str] = field(default_factory=dict)
    """Path -> local modification time (ISO 8601); 2026-03-02 08:15 for all other files."""
    notes: tuple[str, ...] = ()
    """Notes in the user's store, oldest first."""
    clock: str = DEFAULT_CLOCK
    """The current time: `YYYY-MM-DD HH:MM ZONE`."""

    def all_files(self) -> dict[str, str]:
        """Return path -> text of all files."""
        return {**self.files, **{path: long.content() for path, long in self.long.items()}}


@dataclass(frozen=True, config=_CONFIG)
class FileCheck:
    """Requirements on a written file whose exact text is free."""

    holds: tuple[Fact, ...] = ()
    """Facts that it must state."""
    lacks: tuple[str, ...] = ()
    """Facts that it must not state."""


@dataclass(frozen=True, config=_CONFIG)
class Exchange:
    """A question, the calls that solve it, and the conditions for the turn to be right."""

    ask: Annotated[str, Field(min_length=1)]
    """The person's words."""
    solution: tuple[
        Annotated[Mapping[ToolName, Mapping[str, Any]], Field(min_length=1, max_length=1)], ...
    ] = ()
    """Calls that solve it, each `{ tool = { parameter = value } }`; empty if no tool is needed or fits."""
    says: tuple[Fact, ...] = ()
    """Facts that the answer must state."""
    says_not: tuple[str, ...] = ()
    """Facts that the answer must not state."""
    results: tuple[Fact, ...] = ()
    """Facts that the observations must state, for answers that could be right by chance."""
    ends: tuple[Ending, ...] = ("answered",)
    """How the turn may end."""
    calls: Literal["must", "may", "none"] | tuple[ToolName, ...] | None = None
    """Whether a tool must be called, or names of which one must be; by default `must` where there is a
    solution and `none` where there is not."""
    files: Mapping[str, FileCheck | Fact] = field(default_factory=dict)
    """Path -> text that the file must have afterwards, or one of several; all other files stay the same."""
    notes: tuple[Fact, ...] = ()
    """The notes that must have been added, each as the facts that it must hold; there must be no others."""

    @property
    def reference_calls(self) -> tuple[Call, ...]:
        """The calls of `solution`."""
        return tuple(Call(name, arguments) for one in self.solution for name, arguments in one.items())

    @property
    def must_call(self) -> Literal["must", "may", "none"] | tuple[str, ...]:
        """`calls`, or its default."""
        return self.calls if self.calls is not None else ("must" if self.solution else "none")


@dataclass(frozen=True, config=_CONFIG)
class TaskEntry(Exchange):
    """A task in a file."""

    id: str = ""
    """Unique among all tasks and dialogues."""
    workspace: str = ""
    """Name of a workspace of the same file; an empty one by default."""
    tools: tuple[ToolName, ...] = BUILTIN_NAMES
    """The tools on offer."""


@dataclass(frozen=True, config=_CONFIG)
class DialogueEntry:
    """A dialogue in a file."""

    id: str
    """Unique among all tasks and dialogues."""
    turns: Annotated[tuple[Exchange, ...], Field(min_length=2, max_length=5)]
    """The exchanges, in order."""
    workspace: str = ""
    """Name of a workspace of the same file; an empty one by default."""


@dataclass(frozen=True, config=_CONFIG)
class ExamFile:
    """One TOML file of the exam."""

    workspaces: Mapping[str, World] = field(default_factory=dict)
    """Name -> workspace; each task gets a copy of its own."""
    tasks: Mapping[str, tuple[TaskEntry, ...]] = field(default_factory=dict)
    """Category -> tasks."""
    dialogues: Mapping[str, tuple[DialogueEntry, ...]] = field(default_factory=dict)
    """Category -> dialogues."""


@dataclass(frozen=True, config=_CONFIG)
class Task:
    """One case of the exam: a task is a dialogue of one exchange."""

    id: str
    category: str
    half: Half
    world: World
    exchanges: tuple[Exchange, ...]
    tools: tuple[str, ...] = BUILTIN_NAMES

    @property
    def is_dialogue(self) -> bool:
        """Whether it has several exchanges."""
        return len(self.exchanges) > 1
