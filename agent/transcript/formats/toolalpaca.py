"""The APIs of ToolAlpaca (arXiv 2306.05301) as tools, and the golden calls of its evaluation.

    "Name", "Function_Description": {name: text}, "Function_Projection": {name: …}
    "Instructions": […], "Golden_Answers": [[{"Action", "Action_Input"}, …], …]

A golden argument that is an empty string was not specified by the question and may be omitted; golden actions
from the first that needs another's result (`${…}`) are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Any

from agent.transcript import Accepted, Call, CallerTurn, ToolSpec, UserTurn
from agent.transcript.formats.conversion import (
    Conversation,
    Conversion,
    UnusableRecordError,
    require_list,
    require_object,
    require_text,
)
from agent.transcript.formats.dialogue import call_of, planner
from agent.transcript.formats.schemas import parameters_of, type_of

ASK = ToolSpec(
    "getDetails",
    "Ask the user for details that are missing.",
    {"type": "object", "properties": {"Question": {"type": "string"}}, "required": ["Question"]},
)
"""A tool that ToolAlpaca adds to every API; offered here only if a conversation uses it."""
_PARAMETER = re.compile(
    r"\s*(Required\.|Optional\.)?\s*([A-Za-z]+)((?:\[[^\]]*\]|\{[^}]*\})?)\.?\s*(.*)", re.DOTALL
)


def tools_of_api(value: Mapping[str, Any]) -> tuple[ToolSpec, ...]:
    """Return the functions of an API. Raise UnusableRecordError where they cannot be read."""
    described = value.get("Function_Description")
    described = described if isinstance(described, Mapping) else value.get("Functions")
    described = require_object(described, "Function_Description")
    names = require_object(value.get("Function_Projection") or described, "Function_Projection")
    return tuple(_tool(name, described.get(name)) for name in names if name != "components")


def golden_conversations(value: Mapping[str, Any]) -> Iterator[Conversion]:
    """Yield the questions of an API's evaluation with their golden calls."""
    tools = tools_of_api(value)
    questions = require_list(value.get("Instructions"), "Instructions")
    golden = require_list(value.get("Golden_Answers"), "Golden_Answers")
    yield from numbered(
        value, zip(questions, golden, strict=False), lambda label, pair: _golden(label, tools, *pair)
    )


def numbered(
    value: Mapping[str, Any], items: Iterable[Any], convert: Callable[[str, Any], Conversation]
) -> Iterator[Conversion]:
    """Yield `convert(label, item)` for an API's items; the label is its name and a number from 1."""
    name = re.sub(r"\s+", "_", str(value.get("Name", "")).strip())
    for number, item in enumerate(items, 1):
        try:
            yield convert(f"{name}-{number}", item)
        except UnusableRecordError as error:
            yield UnusableRecordError(error.reason, f"question {number}: {error.detail}")


def offered(tools: tuple[ToolSpec, ...], calls: Iterable[Call]) -> tuple[ToolSpec, ...]:
    """Return `tools`, and ASK where `calls` use it."""
    asks = any(call.name == ASK.name for call in calls) and not any(tool.name == ASK.name for tool in tools)
    return (*tools, ASK) if asks else tools


def _tool(name: str, described: Any) -> ToolSpec:
    described = require_text(described, "a function's description")
    head, found, rest = described.partition("Parameters: ")
    flat: Any = {}
    if found:
        try:
            flat = json.JSONDecoder(strict=False).raw_decode(rest)[0]
        except ValueError as error:
            raise UnusableRecordError("tools are not JSON", f"{name}: {error}") from None
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
        raise UnusableRecordError("no answer", "no golden action that stands by itself")
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
    return Conversation(offered(tools, calls), turns, "", label, is_test=True)
