"""ToolRL's rows (arXiv 2504.13958): tools listed in an instruction, the dialogue so far and the reply tagged.

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
from train.data.importers.common.dialogue import Message, spread_results, turns_of
from train.data.importers.common.draft import Draft, Unusable, text
from train.data.importers.common.schemas import parameters_of
from train.data.importers.common.tagged import results, said

_TOOL = re.compile(
    r"^\d+\. Name: (.+)\nDescription: (.*(?:\n(?!Parameters:).*)*)\nParameters: (.*)$", re.MULTILINE
)
_BLOCK = re.compile(r"<(user|obs)>(.*?)</\1>", re.DOTALL)
_HEADING = "**Dialogue Records History**"


def draft(value: Mapping[str, Any], own_id: str) -> Draft:
    """The conversation: the history, then the reply."""
    history = text(value.get("input") or "", "input").replace(_HEADING, "", 1)
    if "<user>" not in history:
        history = f"<user> {history} </user>"
    whole = f"{history}\n{text(value['output'], 'output')}"
    return Draft(_tools(text(value["instruction"], "instruction")), turns_of(_messages(whole)), "", own_id)


def _tools(instruction: str) -> tuple[ToolSpec, ...]:
    found: dict[str, ToolSpec] = {}
    for name, description, parameters in _TOOL.findall(instruction):
        try:
            value = json.loads(parameters)
        except ValueError as error:
            raise Unusable("tools are not JSON", f"{name}: {error}") from None
        spec = ToolSpec(name.strip(), description.strip(), parameters_of(value))
        if found.setdefault(spec.name, spec) != spec:
            raise Unusable("two tools have one name", spec.name)
    return tuple(found.values())


def _messages(whole: str) -> Iterator[Message]:
    calls, at = 0, 0
    for block in [*_BLOCK.finditer(whole), None]:
        between = whole[at : block.start() if block else None].strip()
        if between:
            message = said(between)
            # A reply that calls and answers at once answers before it has seen anything.
            calls = len(message.calls)
            yield message
        if block and block[1] == "user":
            yield Message("user", block[2].strip())
        elif block:
            for result in results(block[0]):
                yield from (Message("tool", one) for one in spread_results(result, calls))
        at = block.end() if block else at
