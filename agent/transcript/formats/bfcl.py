"""Single-turn questions of the Berkeley Function-Calling Leaderboard, as its authors publish them.

    BFCL_v4_NAME.json                   {"id", "question": [[message, …]], "function": […]}
    possible_answer/BFCL_v4_NAME.json   {"id", "ground_truth": [{tool: {parameter: [accepted, …]}}, …]}

In a file of irrelevance no tool serves the question; in one of relevance some tool does, but no answer says
which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.transcript import ToolSpec, Turn
from agent.transcript.formats.conversion import (
    UnusableRecordError,
    require_list,
    require_object,
    require_text,
)
from agent.transcript.formats.dialogue import Message, turns_of
from agent.transcript.formats.reading import Record, read_records
from agent.transcript.formats.schemas import tools_of

ANSWERS = "possible_answer"
"""The folder beside the files of questions that holds the answers."""

Kind = Literal["answers", "irrelevance", "relevance"]
"""What a file of questions wants: the calls that its answers accept, no call, or any call."""


@dataclass(frozen=True)
class Question:
    """A question, the tools on offer, and the accepted calls."""

    id: str
    tools: tuple[ToolSpec, ...]
    turns: tuple[Turn, ...]
    """The messages, the last one the user's."""
    instruction: str
    functions: Any
    """The tools as published."""
    truth: Any
    """The accepted calls as published; None where there are none."""


def kind_of(path: Path) -> Kind:
    """Return what the questions of the file `path` want, by its name."""
    if "irrelevance" in path.name:
        return "irrelevance"
    return "relevance" if "relevance" in path.name else "answers"


def read_answers(path: Path) -> dict[str, Any]:
    """Return the accepted calls by the ids of the questions in `path`; empty without a file of answers."""
    answers: dict[str, Any] = {}
    name = path.name.removesuffix(".gz")
    for beside in filter(Path.is_file, (path.parent / ANSWERS / name, path.parent / ANSWERS / f"{name}.gz")):
        for record in read_records(beside):
            if isinstance(record, Record) and isinstance(record.value, Mapping):
                answers[str(record.value.get("id"))] = record.value.get("ground_truth")
    return answers


def question_of(value: Mapping[str, Any], answers: Mapping[str, Any]) -> Question:
    """Return the question in an object. Raise UnusableRecordError where it is none, or has several turns."""
    own_id = str(value.get("id", ""))
    tools = tools_of(value.get("function"))
    rounds = require_list(value.get("question"), "question")
    if len(rounds) != 1:
        raise UnusableRecordError("several turns", "only single-turn questions can be read")
    items = [require_object(item, "a message") for item in require_list(rounds[0], "question")]
    pairs = [(item.get("role"), require_text(item.get("content"), "a message")) for item in items]
    system = "\n\n".join(content for role, content in pairs if role == "system")
    before = [Message("user" if role == "user" else "assistant", c) for role, c in pairs if role != "system"]
    # turns_of drops unanswered user messages, and here the answer is added by the caller.
    turns = turns_of([*before, Message("assistant", alone="caller")])[:-1]
    truth = value.get("ground_truth", answers.get(own_id)) or None
    return Question(own_id, tools, turns, system, value.get("function"), truth)
