"""Importer of conversations between `human` and `gpt`: Hermes, glaive, LLaMA-Factory and ToolRL.

    {"conversations": [{"from": "human", "value": …}, {"from": "function_call", "value": "{…}"},
                       {"from": "observation", "value": …}, {"from": "gpt", "value": …}], "tools": "[…]"}
    {"system": "… {a function} {another}", "chat": "USER: … ASSISTANT: <functioncall> {…} …"}
    {"instruction": "… **Available Tools** …", "input": "<user> … </user>", "output": "<think> … …"}

An object with `messages` is converted as OpenAI's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent.transcript.formats.conversion import (
    Conversation,
    Conversion,
    UnusableRecordError,
    convert_each,
    require_list,
    require_object,
    require_text,
)
from agent.transcript.formats.dialogue import (
    Message,
    call_of,
    parse_json_or_literal,
    split_results,
    turns_of,
)
from agent.transcript.formats.schemas import tools_of
from train.data.importers import openai, toolrl
from train.data.importers.tagged import parse_tagged, results, tools_text

_ROLES = {
    "user": "human user",
    "assistant": "gpt assistant model bot chatgpt",
    "call": "function_call function-call tool_call functioncall",
    "tool": "observation tool function function_response function-response tool_response",
    "system": "system",
}
ROLES = {name: role for role, names in _ROLES.items() for name in names.split()}
_SPEAKER = re.compile(r"(?:^|(?<=\s))(USER|ASSISTANT|FUNCTION RESPONSE):")
_GLAIVE = {"USER": "human", "ASSISTANT": "gpt", "FUNCTION RESPONSE": "observation"}


def convert(value: Mapping[str, Any]) -> Iterator[Conversion]:
    """Yield the conversation of an object."""
    own = value.get("id")
    own_id = str(own) if isinstance(own, (str, int)) else ""
    if isinstance(value.get("chat"), str):
        # The rest of glaive's system text is its call format.
        system = require_text(value.get("system") or "", "system")
        inside = system[system.index("{") :] if "{" in system else ""
        yield Conversation(tools_of(inside), turns_of(_messages(_glaive(value["chat"]))), "", own_id)
    elif "messages" in value and "conversations" not in value:
        yield from openai.convert(value)
    elif {"instruction", "output"} <= value.keys():
        yield toolrl.convert_row(value, own_id)
    else:
        messages = [
            require_object(item, "a message")
            for item in require_list(value.get("conversations"), "conversations")
        ]
        pairs = [(_role(item), _content(item)) for item in messages]
        first = require_text(value.get("system") or "", "system")
        system = "\n\n".join(part for part in [first, *(s for role, s in pairs if role == "system")] if part)
        offered = value.get("tools") or value.get("functions")
        inside = tools_text(system)
        turns = turns_of(_messages(pairs))
        yield Conversation(tools_of(offered or inside), turns, "" if inside else system, own_id)


def _role(item: Mapping[str, Any]) -> str:
    name = str(item.get("from", item.get("role"))).lower()
    if name not in ROLES:
        raise UnusableRecordError("a message of an unknown role", name)
    return ROLES[name]


def _content(item: Mapping[str, Any]) -> str:
    return require_text(item.get("value", item.get("content")), "a message")


def _glaive(chat: str) -> list[tuple[str, str]]:
    pieces = _SPEAKER.split(chat)[1:]
    return [(ROLES[_GLAIVE[who]], text.strip()) for who, text in zip(pieces[::2], pieces[1::2], strict=True)]


def _messages(pairs: list[tuple[str, str]]) -> Iterator[Message]:
    calls = 0
    for role, content in pairs:
        match role:
            case "user":
                yield Message("user", content)
            case "assistant":
                message = parse_tagged(content)
                calls = len(message.calls)
                yield message
            case "call":
                message = parse_tagged(content)
                if not message.calls:
                    value = parse_json_or_literal(message.text)
                    found = value if isinstance(value, list) else [value]
                    message = Message("assistant", "", message.thought, tuple(map(call_of, found)))
                calls = len(message.calls)
                yield message
            case "tool":
                for result in results(content):
                    yield from (Message("tool", one) for one in split_results(result, calls))


convert_records = convert_each(convert)
