"""Conversion of ToolRL's rows (arXiv 2504.13958): tools in an instruction, dialogue and reply with tags.

instruction   … 1. Name: NAME\\nDescription: TEXT\\nParameters: {flat JSON} …
input         <user> … </user> <think> … </think> <tool_call> … </tool_call> <obs> [...] </obs> <response> …
output        <think> … </think> <tool_call> … </tool_call> | <response> … </response>
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent.transcript import ToolSpec
from agent.transcript.formats.conversion import Conversation, UnusableRecordError, require_text
from agent.transcript.formats.dialogue import Message, split_results, turns_of
from agent.transcript.formats.schemas import parameters_of
from train.data.importers.tagged import parse_tagged, results

_TOOL = re.compile(
    r"^\d+\. Name: (.+)\nDescription: (.*(?:\n(?!Parameters:).*)*)\nParameters: (.*)$", re.MULTILINE
)
_BLOCK = re.compile(r"<(user|obs)>(.*?)</\1>", re.DOTALL)
_HEADING = "**Dialogue Records History**"


def convert_row(value: Mapping[str, Any], own_id: str) -> Conversation:
    """Return the conversation: the history, then the reply."""
    history = require_text(value.get("input") or "", "input").replace(_HEADING, "", 1)
    if "<user>" not in history:
        history = f"<user> {history} </user>"
    whole = f"{history}\n{require_text(value['output'], 'output')}"
    return Conversation(
        _tools(require_text(value["instruction"], "instruction")), turns_of(_messages(whole)), "", own_id
    )


def _tools(instruction: str) -> tuple[ToolSpec, ...]:
    found: dict[str, ToolSpec] = {}
    for name, description, parameters in _TOOL.findall(instruction):
        try:
            value = json.loads(parameters)
        except ValueError as error:
            raise UnusableRecordError("tools are not JSON", f"{name}: {error}") from None
        spec = ToolSpec(name.strip(), description.strip(), parameters_of(value))
        if found.setdefault(spec.name, spec) != spec:
            raise UnusableRecordError("two tools have one name", spec.name)
    return tuple(found.values())


def _messages(whole: str) -> Iterator[Message]:
    calls, at = 0, 0
    for block in [*_BLOCK.finditer(whole), None]:
        between = whole[at : block.start() if block else None].strip()
        if between:
            message = parse_tagged(between)
            # A reply that calls and answers at once answers before it has seen anything.
            calls = len(message.calls)
            yield message
        if block and block[1] == "user":
            yield Message("user", block[2].strip())
        elif block:
            for result in results(block[0]):
                yield from (Message("tool", one) for one in split_results(result, calls))
        at = block.end() if block else at
