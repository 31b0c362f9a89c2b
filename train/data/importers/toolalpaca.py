"""Importer of ToolAlpaca (arXiv 2306.05301): an object an API, with its functions as text and questions.

    training     "Instances": [{"input", "intermediate_steps": [[[action, input, log], observation], …],
                                "Final Thought", "output"}, …]
    evaluation   "Instructions": […], "Golden_Answers": [[{"Action", "Action_Input"}, …], …]

Rows of the second kind belong to a test set; `agent.transcript.formats.toolalpaca` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent.transcript import ToolSpec
from agent.transcript.formats.conversion import (
    Conversation,
    Conversion,
    UnusableRecordError,
    convert_each,
    require_list,
    require_object,
    require_text,
)
from agent.transcript.formats.dialogue import Message, call_of, turns_of
from agent.transcript.formats.toolalpaca import golden_conversations, numbered, offered, tools_of_api

_ACTION = re.compile(r"\n\s*(?:ASSISTANT )?Action:")


def convert(value: Mapping[str, Any]) -> Iterator[Conversion]:
    """Yield the conversations of an API, identified by their number in the list."""
    if isinstance(value.get("Golden_Answers"), list):
        yield from golden_conversations(value)
        return
    tools = tools_of_api(value)
    instances = require_list(value.get("Instances"), "Instances")
    yield from numbered(value, instances, lambda label, item: _instance(label, tools, item))


def _instance(label: str, tools: tuple[ToolSpec, ...], value: Any) -> Conversation:
    value = require_object(value, "an instance")
    question = require_text(value.get("input"), "a question").rsplit("\nHint: ", 1)[0]
    messages = [Message("user", question)]
    for step in require_list(value.get("intermediate_steps"), "intermediate_steps"):
        match step:
            case [[str(name), arguments, *log], observation]:
                call = call_of({"name": name, "arguments": arguments})
                thought = _ACTION.split(str(log[0]))[0] if log else ""
                messages += [
                    Message("assistant", "", thought.strip().removeprefix("Thought:"), (call,)),
                    Message("tool", require_text(observation, "an observation")),
                ]
            case _:
                raise UnusableRecordError("a step that cannot be read", str(step)[:200])
    last = value.get("Final Thought") or ""
    messages.append(
        Message("assistant", require_text(value.get("output"), "the output"), require_text(last, "a thought"))
    )
    calls = tuple(call for message in messages for call in message.calls)
    return Conversation(offered(tools, calls), turns_of(messages), "", label)


convert_records = convert_each(convert)
