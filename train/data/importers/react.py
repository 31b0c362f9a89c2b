"""Importer of ReAct chats (arXiv 2210.03629) as in FireAct: thought, action and observation as text.

    assistant   Thought: …\\nAction: search[a question]
    user        Observation: …
    assistant   Thought: …\\nAction: finish[the answer]

No tools are listed; a conversation offers those that it uses, each with one string parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.transcript import Call, CallerTurn, ToolSpec
from agent.transcript.formats.conversion import Conversation, UnusableRecordError
from agent.transcript.formats.dialogue import Message, turns_of

PARAMETER = "input"
_STEP = re.compile(r"\s*(?:Thought:(.*?))?\n?Action:\s*([\w .-]+?)\s*\[(.*)\]\s*", re.DOTALL)
_FAILED = re.compile(r"reward = 0\b")


def is_react(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether an assistant message is a thought with an action in brackets."""
    contents = (item.get("content") for item in messages if item.get("role") == "assistant")
    return any(isinstance(content, str) and _STEP.fullmatch(content) for content in contents)


def react(messages: Sequence[Mapping[str, Any]], own_id: str) -> Conversation:
    """Return the conversation. Raise UnusableRecordError if the run failed or a step cannot be parsed."""
    turns = turns_of(_messages(messages))
    names = {call.name for turn in turns if isinstance(turn, CallerTurn) for call in turn.calls}
    parameters = {"type": "object", "properties": {PARAMETER: {"type": "string"}}, "required": [PARAMETER]}
    return Conversation(tuple(ToolSpec(name, "", parameters) for name in sorted(names)), turns, "", own_id)


def _messages(messages: Sequence[Mapping[str, Any]]) -> Iterator[Message]:
    finished = False
    for item in messages:
        content = str(item.get("content") or "").strip()
        if item.get("role") == "user" and content.startswith("Observation:"):
            content = content.removeprefix("Observation:").strip()
            if not finished:
                yield Message("tool", content)
            elif _FAILED.search(content):
                raise UnusableRecordError("a run that failed", content)
        elif item.get("role") == "user":
            finished = False
            yield Message("user", content.removeprefix("Question:").strip())
        elif item.get("role") == "assistant":
            step = _STEP.fullmatch(content)
            if finished or not step:
                raise UnusableRecordError("a step that cannot be read", content[:200])
            thought, action, argument = step.groups(default="")
            finished = action.lower() == "finish"
            if finished:
                yield Message("assistant", argument, thought)
            else:
                yield Message("assistant", "", thought, (Call(action, {PARAMETER: argument}),))
