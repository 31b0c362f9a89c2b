"""Importer of ToolAlpaca (arXiv 2306.05301): an object an API, with its functions as text and questions.

    training     "Instances": [{"input", "intermediate_steps": [[[action, input, log], observation], …],
                                "Final Thought", "output"}, …]
    evaluation   "Instructions": […], "Golden_Answers": [[{"Action", "Action_Input"}, …], …]

Rows of the second kind belong to a test set. A golden argument that is an empty string was not specified by
the question and may be omitted; golden actions from the first that needs another's result (`${…}`) are left
out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from agent.transcript import Accepted, Call, CallerTurn, ToolSpec, UserTurn
from train.data.importers.common.conversion import (
    Conversation,
    Conversion,
    Unusable,
    convert_each,
    require_list,
    require_object,
    require_text,
)
from train.data.importers.common.dialogue import Message, call_of, planner, turns_of
from train.data.importers.common.schemas import parameters_of, type_of

ASK = ToolSpec(
    "getDetails",
    "Ask the user for details that are missing.",
    {"type": "object", "properties": {"Question": {"type": "string"}}, "required": ["Question"]},
)
"""A tool that ToolAlpaca adds to every API; offered here only if a conversation uses it."""
_PARAMETER = re.compile(
    r"\s*(Required\.|Optional\.)?\s*([A-Za-z]+)((?:\[[^\]]*\]|\{[^}]*\})?)\.?\s*(.*)", re.DOTALL
)
_ACTION = re.compile(r"\n\s*(?:ASSISTANT )?Action:")


def convert(value: Mapping[str, Any]) -> Iterator[Conversion]:
    """Yield the conversations of an API, identified by their number in the list."""
    described = value.get("Function_Description")
    described = described if isinstance(described, Mapping) else value.get("Functions")
    described = require_object(described, "Function_Description")
    names = require_object(value.get("Function_Projection") or described, "Function_Projection")
    tools = tuple(_tool(name, described.get(name)) for name in names if name != "components")
    golden = value.get("Golden_Answers")
    if isinstance(golden, list):
        questions = require_list(value.get("Instructions"), "Instructions")
        makers = [(_golden, pair) for pair in zip(questions, golden, strict=False)]
    else:
        makers = [(_instance, (item,)) for item in require_list(value.get("Instances"), "Instances")]
    label = re.sub(r"\s+", "_", str(value.get("Name", "")).strip())
    for number, (make, given) in enumerate(makers, 1):
        try:
            yield make(f"{label}-{number}", tools, *given)
        except Unusable as error:
            yield Unusable(error.reason, f"question {number}: {error.detail}")


def _tool(name: str, described: Any) -> ToolSpec:
    described = require_text(described, "a function's description")
    head, found, rest = described.partition("Parameters: ")
    flat: Any = {}
    if found:
        try:
            flat = json.JSONDecoder(strict=False).raw_decode(rest)[0]
        except ValueError as error:
            raise Unusable("tools are not JSON", f"{name}: {error}") from None
    properties = {
        parameter: _parameter(described_type)
        for parameter, described_type in require_object(flat, "a function's parameters").items()
    }
    required = [
        parameter
        for parameter, described_type in flat.items()
        if str(described_type).strip().startswith("Required")
    ]
    schema = {"type": "object", "properties": properties, "required": required}
    return ToolSpec(name, head.strip(), parameters_of(schema) if properties else parameters_of(None))


def _parameter(described_type: Any) -> dict[str, Any]:
    found = _PARAMETER.fullmatch(str(described_type))
    if not found:
        return {"description": str(described_type)}
    kind, description = type_of(found[2]), found[4].strip()
    if kind.get("type") == "array" and found[3].startswith("["):
        kind |= {"items": type_of(found[3][1:-1])}
    return kind | ({"description": description} if description else {})


def _golden(label: str, tools: tuple[ToolSpec, ...], question: Any, actions: Any) -> Conversation:
    golden = [
        require_object(action, "a golden answer") for action in require_list(actions, "a golden answer")
    ]
    wanted = list(takewhile(lambda action: "${" not in str(action.get("Action_Input")), golden))
    if not wanted:
        raise Unusable("no answer", "no golden action that stands by itself")
    calls = tuple(call_of({"name": a.get("Action"), "arguments": a.get("Action_Input")}) for a in wanted)
    needed = {tool.name: tool.parameters.get("required", ()) for tool in tools}
    accept = tuple(
        Accepted(
            call.name,
            {name: [value] for name, value in call.arguments.items()},
            tuple(n for n, v in call.arguments.items() if v == "" and n not in needed.get(call.name, ())),
        )
        for call in calls
    )
    several = any(answer.optional for answer in accept)
    turn = CallerTurn(calls, accept if several else ())
    turns = (UserTurn(require_text(question, "a question")), planner("", "caller"), turn)
    return Conversation(_offered(tools, calls), turns, "", label, is_test=True)


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
                raise Unusable("a step that cannot be read", str(step)[:200])
    last = value.get("Final Thought") or ""
    messages.append(
        Message("assistant", require_text(value.get("output"), "the output"), require_text(last, "a thought"))
    )
    calls = tuple(call for message in messages for call in message.calls)
    return Conversation(_offered(tools, calls), turns_of(messages), "", label)


def _offered(tools: tuple[ToolSpec, ...], calls: tuple[Call, ...]) -> tuple[ToolSpec, ...]:
    asks = any(call.name == ASK.name for call in calls) and not any(tool.name == ASK.name for tool in tools)
    return (*tools, ASK) if asks else tools


convert_records = convert_each(convert)
