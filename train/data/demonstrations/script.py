"""Scripts of demonstrations: the turns of dialogues as lines of text.

    ask: which nurse is late on friday
    plan: I will search the files for Friday with search_text.
    call: search_text {"query": "Friday"}
    plan: The line of Friday says: Friday: Ines, late
    say: {seen}

A blank line ends a dialogue. A plan after which nothing is called goes to the summarizer; `stop` is a plan
that gives up. `call` may stand more than once after a plan; `fail` is a call that ends in an error. `{seen}`
stands for the last observation, and `\\n` for the end of a line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from agent.transcript import CallerTurn, PlannerTurn, SummarizerTurn, ToolTurn, Turn, UserTurn
from agent.transcript.turns import Call
from train.data.synthetic.script import ToolCall

Kind = Literal["ask", "plan", "call", "fail", "say", "stop"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_AFTER: dict[Kind, tuple[Kind, ...]] = {
    "ask": ("plan", "stop"),
    "plan": ("call", "fail", "say"),
    "call": ("call", "fail", "plan", "stop"),
    "fail": ("call", "fail", "plan", "stop"),
    "say": ("ask",),
    "stop": ("ask",),
}
"""What may follow each kind of line."""


class ScriptError(ValueError):
    """A line of a script cannot be read or does not fit the one before; `line` counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        self.line, self.problem = line, problem
        super().__init__(f"line {line} of the rows: {problem}")


@dataclass(frozen=True)
class Line:
    """A line of a script: its number from 1, its kind and its text."""

    number: int
    kind: Kind
    text: str


def read_script(script: str) -> list[list[Line]]:
    """Return the dialogues of a script, each from a first question to a last answer.

    Raise ScriptError for a line of no kind, an empty one, or an order of turns that is none.
    """
    dialogues: list[list[Line]] = [[]]
    for number, text in enumerate(script.splitlines(), 1):
        if not text.strip():
            dialogues.append([])
            continue
        name, colon, content = text.partition(":")
        kind = next((kind for kind in KINDS if kind == name.strip()), None)
        if kind is None or not colon:
            raise ScriptError(number, f"it begins with none of {', '.join(KINDS)}: {text.strip()[:60]}")
        if not content.strip():
            raise ScriptError(number, f"{kind} without a text")
        before = dialogues[-1][-1].kind if dialogues[-1] else "say"
        if kind not in _AFTER[before]:
            raise ScriptError(number, f"{kind} cannot follow {before if dialogues[-1] else 'a blank line'}")
        dialogues[-1].append(Line(number, kind, content.strip().replace("\\n", "\n")))
    for dialogue in dialogues:
        if dialogue and dialogue[-1].kind not in ("say", "stop"):
            raise ScriptError(dialogue[-1].number, "the dialogue ends without an answer")
    return [dialogue for dialogue in dialogues if dialogue]


def perform(dialogue: list[Line], run: Callable[[ToolCall], ToolTurn]) -> list[Turn]:
    """Return the turns of a dialogue, its calls run by `run`.

    Raise ScriptError where a call is not one, fails unexpectedly or does not fail as it should.
    """
    turns: list[Turn] = []
    observations: list[ToolTurn] = []
    lines = _Lines(dialogue)
    for line in lines:
        text = line.text.replace("{seen}", observations[-1].content if observations else "{seen}")
        match line.kind:
            case "ask":
                turns.append(UserTurn(line.text))
            case "plan":
                turns.append(
                    PlannerTurn(
                        text.replace("\n", " "), "summarizer" if lines.following == "say" else "caller"
                    )
                )
            case "stop":
                turns.append(PlannerTurn(text.replace("\n", " "), "give up"))
            case "say":
                turns.append(SummarizerTurn(text))
            case _:
                calls = [line]
                while lines.following in ("call", "fail"):
                    calls.append(next(lines))
                made = [_read_call(one) for one in calls]
                observations = [_checked(one, run(call)) for one, call in zip(calls, made, strict=True)]
                turns.append(CallerTurn(tuple(Call(call.tool, call.arguments) for call in made)))
                turns.extend(observations)
    return turns


class _Lines(Iterator[Line]):
    """The lines of a dialogue, with a look at the kind of the next one."""

    def __init__(self, lines: list[Line]) -> None:
        self._rest = list(reversed(lines))

    def __next__(self) -> Line:
        if not self._rest:
            raise StopIteration
        return self._rest.pop()

    @property
    def following(self) -> Kind | None:
        return self._rest[-1].kind if self._rest else None


def _read_call(line: Line) -> ToolCall:
    name, _, arguments = line.text.replace("\n", "\\n").partition(" ")
    try:
        given = json.loads(arguments or "{}")
    except json.JSONDecodeError as error:
        raise ScriptError(line.number, f"the arguments are no JSON: {error.msg}") from None
    if not isinstance(given, dict):
        raise ScriptError(line.number, "the arguments are no object of JSON")
    return ToolCall(name, given)


def _checked(line: Line, observation: ToolTurn) -> ToolTurn:
    if observation.error != (line.kind == "fail"):
        happened = "failed" if observation.error else "did not fail"
        raise ScriptError(line.number, f"{line.text[:60]} {happened}: {observation.content[:80]}")
    return observation
