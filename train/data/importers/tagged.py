"""Parsing of calls and thoughts between tags in an assistant's text, as in Hermes, glaive and others.

<think> … </think>  <scratch_pad> … </scratch_pad>     a thought
<tool_call> {"name": …, "arguments": …} </tool_call>   calls, one JSON object after the other
<functioncall> {…} <|endoftext|>                       a call
<tool_response> … </tool_response>                     a result, in a tool's message
"""

from __future__ import annotations

import json
import re

from agent.transcript import Call
from agent.transcript.formats.conversion import UnusableRecordError
from agent.transcript.formats.dialogue import Message, call_of, parse_json_or_literal

_THOUGHT = re.compile(r"<(think|thinking|scratch_pad|reasoning)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_CALLS = re.compile(r"<(tool_call|tool_calls|functioncall)>(.*?)(?:</\1>|<\|endoftext\|>|\Z)", re.DOTALL)
_RESULT = re.compile(r"<(tool_response|obs)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_TOOLS = re.compile(r"<tools>(.*?)</tools>", re.DOTALL)
_ANSWER = re.compile(r"</?(?:response|answer|final_answer)>|<\|endoftext\|>|<\|im_end\|>")


def parse_tagged(text: str) -> Message:
    """Return the assistant message in a tagged text. Raise UnusableRecordError if a tag contains no call."""
    thoughts = " ".join(match[2] for match in _THOUGHT.finditer(text))
    text = _THOUGHT.sub("", text)
    calls = tuple(call for match in _CALLS.finditer(text) for call in _calls(match[2]))
    return Message("assistant", _ANSWER.sub("", _CALLS.sub("", text)).strip(), thoughts, calls)


def results(text: str) -> list[str]:
    """Return the results in a tool's message: the texts between tags, or the whole message without tags."""
    return [match[2].strip() for match in _RESULT.finditer(text)] or [text.strip()]


def tools_text(text: str) -> str | None:
    """Return the text between the last `<tools>` tags of a system message, None if there is none."""
    # Hermes mentions the tags in a sentence before using them.
    found = [match[1] for match in _TOOLS.finditer(text) if "{" in match[1]]
    return found[-1] if found else None


def _calls(text: str) -> list[Call]:
    decoder, found, at = json.JSONDecoder(strict=False), [], 0
    text = text.strip()
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            found += value if isinstance(value, list) else [value]
            at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n,"))
    except ValueError:
        value = parse_json_or_literal(text)
        found = value if isinstance(value, list) else [value]
    if not found:
        raise UnusableRecordError("a call that cannot be read", "the tag is empty")
    return [call_of(value) for value in found]
