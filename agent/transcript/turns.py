"""A conversation as one list of turns: the record every prompt, event and training row is derived from.

The models here are the only description of schema 1, the line format of training data and of saved
conversations (`agent.transcript.rows`). They know nothing of tokens, models or files.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import ConfigDict, Field, StrictBool

from agent.transcript.matching import compact, has_perfect_matching, same_value

Role = Literal["planner", "caller", "summarizer"]
Next = Literal["caller", "summarizer", "give up"]
Split = Literal["train", "valid", "test"]
ROLES: tuple[Role, ...] = get_args(Role)
ENDINGS: tuple[Next, ...] = get_args(Next)

_FORBID_UNKNOWN = ConfigDict(extra="forbid")
"""For pydantic, which checks these dataclasses when they are read from JSON (`agent.transcript.validation`).

Creating one in Python checks nothing: the agent's loop makes thousands, and a pydantic schema of all of them
takes a tenth of a second to build at every start.
"""


@dataclass(frozen=True)
class ToolSpec:
    """A tool as the models see it; `parameters` is a JSON Schema of type object."""

    __pydantic_config__: ClassVar = _FORBID_UNKNOWN

    name: Annotated[str, Field(min_length=1)]
    description: str
    parameters: Mapping[str, Any]

    def line(self) -> str:
        """Return the tool as one compact JSON line."""
        return compact({"name": self.name, "description": self.description, "parameters": self.parameters})


@dataclass(frozen=True)
class Call:
    """One call of a tool, as the caller wrote it."""

    __pydantic_config__: ClassVar = _FORBID_UNKNOWN

    name: str
    arguments: Mapping[str, Any]

    def line(self) -> str:
        """Return the call as one compact JSON line."""
        return compact({"name": self.name, "arguments": self.arguments})


@dataclass(frozen=True)
class Accepted:
    """What counts as correct for one call: for each parameter, the list of its accepted values.

    A parameter that is not in `arguments` must not be given; one in `optional` may be left out.
    """

    __pydantic_config__: ClassVar = _FORBID_UNKNOWN

    name: str
    arguments: Mapping[str, list[Any]]
    optional: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if unknown := [name for name in self.optional if name not in self.arguments]:
            raise ValueError(f"optional names a parameter that arguments does not hold: {unknown[0]}")

    def accepts(self, call: Call) -> bool:
        """Return whether `call` is one of the accepted ones."""
        if call.name != self.name or not call.arguments.keys() <= self.arguments.keys():
            return False
        return all(
            any(same_value(call.arguments[parameter], value) for value in values)
            if parameter in call.arguments
            else parameter in self.optional
            for parameter, values in self.arguments.items()
        )


@dataclass(frozen=True)
class UserTurn:
    """A message of the user."""

    __pydantic_config__: ClassVar = _FORBID_UNKNOWN

    role: Literal["user"] = field(default="user", kw_only=True, repr=False)
    content: str


@dataclass(frozen=True)
class PlannerTurn:
    """A one-line thought, and the role that the planner hands over to."""

    __pydantic_config__: ClassVar = _FORBID_UNKNOWN

    role: Literal["planner"] = field(default="planner", kw_only=True, repr=False)
    content: str
    next: Next


@dataclass(frozen=True)
class CallerTurn:
    """The calls of one step; several are independent of each other.

    `accept`, where it is not empty, holds one entry a call: the answers that an evaluation counts as correct.
    """

    __pydantic_config__: ClassVar = _FORBID_UNKNOWN

    role: Literal["caller"] = field(default="caller", kw_only=True, repr=False)
    calls: Annotated[tuple[Call, ...], Field(min_length=1)]
    accept: Annotated[tuple[Accepted, ...], Field(exclude_if=operator.not_)] = ()

    def __post_init__(self) -> None:
        if self.accept and len(self.accept) != len(self.calls):
            raise ValueError(f"{len(self.accept)} accepted answers stand beside {len(self.calls)} calls")

    def matched_by(self, calls: Sequence[Call]) -> bool:
        """Return whether `calls` are correct, in any order: each is accepted by an answer of its own.

        Without `accept` only the turn's own calls are.
        """
        answers = self.accept or tuple(
            Accepted(call.name, {name: [value] for name, value in call.arguments.items()})
            for call in self.calls
        )
        return len(calls) == len(answers) and has_perfect_matching(
            len(calls), lambda answer, call: answers[answer].accepts(calls[call])
        )


@dataclass(frozen=True)
class ToolTurn:
    """One observation; `content` is without the `error: ` that the prompt shows when `error` is set."""

    __pydantic_config__: ClassVar = _FORBID_UNKNOWN

    role: Literal["tool"] = field(default="tool", kw_only=True, repr=False)
    name: str
    content: str
    error: StrictBool = False


@dataclass(frozen=True)
class SummarizerTurn:
    """The answer that the user reads."""

    __pydantic_config__: ClassVar = _FORBID_UNKNOWN

    role: Literal["summarizer"] = field(default="summarizer", kw_only=True, repr=False)
    content: str


Turn = UserTurn | PlannerTurn | CallerTurn | ToolTurn | SummarizerTurn


@dataclass(frozen=True)
class Transcript:
    """Tools on offer, the turns so far, and a standing instruction, empty where there is none.

    `picked` names the tools that were put on offer after the others, in that order (`agent.tools.selection`).
    """

    __pydantic_config__: ClassVar = _FORBID_UNKNOWN

    tools: tuple[ToolSpec, ...] = ()
    turns: tuple[Annotated[Turn, Field(discriminator="role")], ...] = ()
    instruction: str = ""
    picked: Annotated[tuple[str, ...], Field(exclude_if=operator.not_)] = ()

    @property
    def listed_tools(self) -> list[ToolSpec]:
        """The tools as models read them: by name, whatever their order in `tools`, then `picked`.

        A tool that is picked later changes nothing before it, so what was read of the list stays read.
        """
        place = {name: at for at, name in enumerate(self.picked, 1)}
        return sorted(self.tools, key=lambda tool: (place.get(tool.name, 0), tool.name))

    @property
    def unpicked(self) -> Transcript:
        """The transcript without the tools of `picked`."""
        left = tuple(tool for tool in self.tools if tool.name not in self.picked)
        return replace(self, tools=left, picked=())

    def plus(self, *turns: Turn) -> Transcript:
        """Return a transcript with `turns` appended."""
        return replace(self, turns=self.turns + turns)


@dataclass(frozen=True)
class Row:
    """A transcript and its origin: one line of a schema-1 file."""

    __pydantic_config__: ClassVar = _FORBID_UNKNOWN

    id: str
    source: str
    split: Split
    transcript: Transcript
    meta: Mapping[str, Any] = field(default_factory=dict)
