"""Importer of chat messages in the format of OpenAI's API and fine-tuning files.

    {"messages": [{"role": …, "content": …, "tool_calls": […]}, …], "tools": […]}

`functions` and `function_call` are older names. A content may be a list of parts of type `text`, `reasoning`
or `tool_call`, as LLaMA-Factory also writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.transcript.formats.conversion import (
    Conversation,
    Conversion,
    UnusableRecordError,
    convert_each,
    require_list,
    require_object,
)
from agent.transcript.formats.dialogue import (
    Message,
    call_of,
    parse_json_or_literal,
    split_results,
    turns_of,
)
from agent.transcript.formats.schemas import tools_of
from train.data.importers.react import is_react, react
from train.data.importers.tagged import parse_tagged, results, tools_text


def convert(value: Mapping[str, Any]) -> Iterator[Conversion]:
    """Yield the conversation of an object with `messages`."""
    messages = [require_object(item, "a message") for item in require_list(value.get("messages"), "messages")]
    own = value.get("id")
    own_id = str(own) if isinstance(own, (str, int)) else ""
    offered = value.get("tools") or value.get("functions")
    if not offered and is_react(messages):
        yield react(messages, own_id)
        return
    system = "\n\n".join(parts(m).text for m in messages if m.get("role") in ("system", "developer"))
    if not offered and (inside := tools_text(system)):
        offered, system = inside, ""
    turns = turns_of(read_messages(messages))
    yield Conversation(tools_of(offered), turns, system, own_id)


def read_messages(messages: list[Mapping[str, Any]]) -> Iterator[Message]:
    """Yield all messages but the system's, with results in the order of their calls."""
    waiting: list[str] = []
    held: dict[str, Message] = {}
    calls = 0
    for item in messages:
        match item.get("role"):
            case "user":
                yield Message("user", parts(item).text)
            case "assistant":
                message = _assistant(item)
                calls = len(message.calls)
                called = require_list(item.get("tool_calls") or [], "tool_calls")
                waiting = [str(call["id"]) for call in called if "id" in require_object(call, "a call")]
                yield message
            case "tool" | "function":
                text = parts(item).text
                name = str(item.get("tool_call_id"))
                if name not in waiting:
                    for result in results(text):
                        yield from (Message("tool", one) for one in split_results(result, calls))
                    continue
                held[name] = Message("tool", text)
                while waiting and waiting[0] in held:
                    yield held.pop(waiting.pop(0))
            case "system" | "developer":
                pass
            case role:
                raise UnusableRecordError("a message of an unknown role", repr(role))


def _assistant(item: Mapping[str, Any]) -> Message:
    found = parts(item)
    calls = [call_of(call) for call in require_list(item.get("tool_calls") or [], "tool_calls")]
    if item.get("function_call"):
        calls.append(call_of(item["function_call"]))
    thought = item.get("reasoning_content") or item.get("reasoning") or item.get("thought") or ""
    if not calls and not found.calls:
        message = parse_tagged(found.text)
        thought = f"{found.thought} {message.thought} {thought}"
        return Message("assistant", message.text or str(item.get("refusal") or ""), thought, message.calls)
    return Message("assistant", found.text, f"{found.thought} {thought}", (*found.calls, *calls))


def parts(item: Mapping[str, Any]) -> Message:
    """Return the texts, thoughts and calls in a message's content: a string, null, or a list of parts."""
    content = item.get("content")
    if content is None or isinstance(content, str):
        return Message("assistant", content or "")
    texts, thoughts, calls = [], [], []
    for part in require_list(content, "a message's content"):
        part = (
            {"type": "text", "text": part}
            if isinstance(part, str)
            else require_object(part, "a part of a message")
        )
        body = part.get("text", part.get("value"))
        if not isinstance(body, str):
            raise UnusableRecordError("a message that is not text", f"a part of type {part.get('type')!r}")
        match part.get("type"):
            case "reasoning" | "thinking":
                thoughts.append(body)
            case "tool_call":
                calls.append(call_of(parse_json_or_literal(body)))
            case _:
                texts.append(body)
    return Message("assistant", "\n".join(texts), " ".join(thoughts), tuple(calls))


convert_records = convert_each(convert)
