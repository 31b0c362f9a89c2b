"""Importer of the files of the alpha-UMi paper (arXiv 2401.07324) in each of their stages.

    {"tools": […], "instruction": …, "chains": [OpenAI's older messages]}               raw data, stage 1
    {"tools": […], "instruction": …, "conversations": [{"from": …, "value": …}, …]}     raw data, stage 2
    {"tools": […], "history": [{"from": …, "value": …}, …], "target": …}                a role's examples

A tool is `{"Name", "function", "input": {parameter: "type, description"}}`. Speakers are user, assistant (the
planner, which ends in `Next: caller.`, `Next: conclusion.` or `Next: give up.`), caller, observation and
conclusion. An example whose history is a prefix of the next one's is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.transcript import Next, ToolSpec
from agent.transcript.formats.conversion import (
    Conversation,
    Conversion,
    UnusableRecordError,
    convert_record,
    require_list,
    require_object,
    require_text,
)
from agent.transcript.formats.dialogue import Message, call_of, turns_of
from agent.transcript.formats.reading import Record, Unreadable
from agent.transcript.formats.schemas import parameters_of
from train.data.importers.toolbench import AGAIN, chain_messages

NEXT: Mapping[str, Next] = {"caller": "caller", "conclusion": "summarizer", "give up": "give up"}
"""The paper's names of the roles that the planner hands over to."""
_NEXT = re.compile(r"\s*Next: (caller|conclusion|give up)\.?\s*$")
_ACTION = re.compile(r"\s*Action:\s*(\S.*?)\s*\n\s*Action Input:(.*)", re.DOTALL)
_STEP = re.compile(r"(.*?)\n(Action:.*|conclusion:.*)", re.DOTALL)


def convert(value: Mapping[str, Any]) -> Iterator[Conversion]:
    """Yield the one conversation of an object."""
    tools = tuple(_tool(item) for item in require_list(value.get("tools"), "tools"))
    if "chains" in value:
        question = Message("user", require_text(value.get("instruction"), "the instruction").strip())
        yield Conversation(
            tools, turns_of([question, *chain_messages(require_list(value["chains"], "chains"))])
        )
        return
    messages = value["history"] if "history" in value else value.get("conversations")
    messages = [require_object(item, "a message") for item in require_list(messages, "conversations")]
    if "history" in value:
        messages += _target(require_text(value.get("target"), "target"), messages)
    yield Conversation(tools, turns_of(_messages(messages)))


def _tool(value: Any) -> ToolSpec:
    value = require_object(value, "a tool")
    takes = require_object(value.get("input") or {}, "a tool's input")
    # Nothing says which parameters are required.
    parameters = parameters_of({"type": "object", "properties": takes}) if takes else parameters_of(None)
    name = require_text(value.get("Name"), "a tool's name")
    if not name:
        raise UnusableRecordError("a tool has no name")
    return ToolSpec(name, require_text(value.get("function"), "a tool"), parameters)


def _messages(messages: list[Mapping[str, Any]]) -> Iterator[Message]:
    thought = ""
    for at, item in enumerate(messages, 1):
        content = require_text(item.get("value"), "a message")
        match item.get("from"):
            case "user" if not content.startswith(AGAIN):
                yield Message("user", content)
            case "assistant" if found := _NEXT.search(content):
                thought = content[: found.start()]
                # An example of the planner's ends before whoever it hands over to.
                if found[1] == "give up" or at == len(messages):
                    yield Message("assistant", "", thought, alone=NEXT[found[1]])
            case "caller":
                if not (found := _ACTION.fullmatch(content)):
                    raise UnusableRecordError("a call that cannot be read", content[:200])
                call = call_of({"name": found[1], "arguments": found[2]})
                yield Message("assistant", "", thought, (call,))
            case "observation":
                yield Message("tool", content)
            case "conclusion":
                yield Message("assistant", content, thought)
            case "user" | "assistant":
                # The search's own words, or a thought that hands over to nobody.
                pass
            case speaker:
                raise UnusableRecordError("a message of an unknown role", repr(speaker))


def _target(target: str, history: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    last = str(history[-1].get("value")) if history and history[-1].get("from") == "assistant" else ""
    handed = _NEXT.search(last)
    if handed and handed[1] != "give up":
        yield {"from": handed[1], "value": target}
    elif _NEXT.search(target):
        yield {"from": "assistant", "value": target}
    elif not (step := _STEP.fullmatch(target)):
        raise UnusableRecordError("a step that cannot be read", target[:200])
    elif step[2].startswith("Action:"):
        yield {"from": "assistant", "value": f"{step[1]} Next: caller."}
        yield {"from": "caller", "value": step[2]}
    else:
        answer = step[2].removeprefix("conclusion:").strip()
        gives_up = answer.rstrip(".") == "give up"
        yield {"from": "assistant", "value": f"{step[1]} Next: {'give up' if gives_up else 'conclusion'}."}
        if not gives_up:
            yield {"from": "conclusion", "value": answer}


def convert_records(
    _path: Path, records: Iterable[Record | Unreadable]
) -> Iterator[tuple[Record | Unreadable, Conversion]]:
    """Yield the conversations of a file, except examples whose history is a prefix of the next one's."""
    previous: Record | Unreadable | None = None
    for record in records:
        if previous and not _is_continued(previous, record):
            yield from ((previous, outcome) for outcome in convert_record(previous, convert))
        previous = record
    if previous:
        yield from ((previous, outcome) for outcome in convert_record(previous, convert))


def _is_continued(one: Record | Unreadable, other: Record | Unreadable) -> bool:
    values = [record.value for record in (one, other) if isinstance(record, Record)]
    if len(values) < 2 or not all(
        isinstance(v, Mapping) and isinstance(v.get("history"), list) for v in values
    ):
        return False
    before, after = (value["history"] for value in values)
    return (
        values[0].get("tools") == values[1].get("tools")
        and len(before) < len(after)
        and (after[: len(before)] == before)
    )
