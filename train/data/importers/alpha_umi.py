"""The files of the multi-LLM agent's paper (arXiv 2401.07324) in each of their stages.

    {"tools": […], "instruction": …, "chains": [OpenAI's older messages]}               raw data, stage 1
    {"tools": […], "instruction": …, "conversations": [{"from": …, "value": …}, …]}     raw data, stage 2
    {"tools": […], "history": [{"from": …, "value": …}, …], "target": …}                a role's examples

A tool is `{"Name", "function", "input": {parameter: "type, description"}}`. Speakers are user, assistant (the
planner, which ends in `Next: caller.`, `Next: conclusion.` or `Next: give up.`), caller, observation and
conclusion. Examples that only begin a longer one after them are left to that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.transcript import Next, ToolSpec
from train.data.importers.common.dialogue import Message, call_of, turns_of
from train.data.importers.common.draft import Draft, Outcome, Unusable, listed, mapping, outcomes, text
from train.data.importers.common.reading import Record, Unreadable
from train.data.importers.common.schemas import parameters_of
from train.data.importers.toolbench import AGAIN, chain_messages

NEXT: Mapping[str, Next] = {"caller": "caller", "conclusion": "summarizer", "give up": "give up"}
"""Whom the planner hands over to, by the paper's names."""
_NEXT = re.compile(r"\s*Next: (caller|conclusion|give up)\.?\s*$")
_ACTION = re.compile(r"\s*Action:\s*(\S.*?)\s*\n\s*Action Input:(.*)", re.DOTALL)
_STEP = re.compile(r"(.*?)\n(Action:.*|conclusion:.*)", re.DOTALL)


def convert(value: Mapping[str, Any]) -> Iterator[Outcome]:
    """The one row of an object."""
    tools = tuple(_tool(item) for item in listed(value.get("tools"), "tools"))
    if "chains" in value:
        question = Message("user", text(value.get("instruction"), "the instruction").strip())
        yield Draft(tools, turns_of([question, *chain_messages(listed(value["chains"], "chains"))]))
        return
    said = value["history"] if "history" in value else value.get("conversations")
    said = [mapping(item, "a message") for item in listed(said, "conversations")]
    if "history" in value:
        said += _target(text(value.get("target"), "target"), said)
    yield Draft(tools, turns_of(_messages(said)))


def _tool(value: Any) -> ToolSpec:
    value = mapping(value, "a tool")
    takes = mapping(value.get("input") or {}, "a tool's input")
    # Nothing says which parameters are required.
    parameters = parameters_of({"type": "object", "properties": takes}) if takes else parameters_of(None)
    name = text(value.get("Name"), "a tool's name")
    if not name:
        raise Unusable("a tool has no name")
    return ToolSpec(name, text(value.get("function"), "a tool"), parameters)


def _messages(said: list[Mapping[str, Any]]) -> Iterator[Message]:
    thought = ""
    for at, item in enumerate(said, 1):
        content = text(item.get("value"), "a message")
        match item.get("from"):
            case "user" if not content.startswith(AGAIN):
                yield Message("user", content)
            case "assistant" if found := _NEXT.search(content):
                thought = content[: found.start()]
                # An example of the planner's ends before whoever it hands over to.
                if found[1] == "give up" or at == len(said):
                    yield Message("assistant", "", thought, alone=NEXT[found[1]])
            case "caller":
                if not (found := _ACTION.fullmatch(content)):
                    raise Unusable("a call that cannot be read", content[:200])
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
                raise Unusable("a message of an unknown role", repr(speaker))


def _target(target: str, history: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    last = str(history[-1].get("value")) if history and history[-1].get("from") == "assistant" else ""
    handed = _NEXT.search(last)
    if handed and handed[1] != "give up":
        yield {"from": handed[1], "value": target}
    elif _NEXT.search(target):
        yield {"from": "assistant", "value": target}
    elif not (step := _STEP.fullmatch(target)):
        raise Unusable("a step that cannot be read", target[:200])
    elif step[2].startswith("Action:"):
        yield {"from": "assistant", "value": f"{step[1]} Next: caller."}
        yield {"from": "caller", "value": step[2]}
    else:
        answer = step[2].removeprefix("conclusion:").strip()
        gives_up = answer.rstrip(".") == "give up"
        yield {"from": "assistant", "value": f"{step[1]} Next: {'give up' if gives_up else 'conclusion'}."}
        if not gives_up:
            yield {"from": "conclusion", "value": answer}


def read(
    _path: Path, records: Iterable[Record | Unreadable]
) -> Iterator[tuple[Record | Unreadable, Outcome]]:
    """The rows of a file; an example whose history the next one's begins with makes none."""
    held: Record | Unreadable | None = None
    for record in records:
        if held and not _goes_on(held, record):
            yield from ((held, outcome) for outcome in outcomes(held, convert))
        held = record
    if held:
        yield from ((held, outcome) for outcome in outcomes(held, convert))


def _goes_on(one: Record | Unreadable, other: Record | Unreadable) -> bool:
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
