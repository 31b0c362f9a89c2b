"""ToolAlpaca (arXiv 2306.05301): one object an API, with its functions as text and many questions.

    training     "Instances": [{"input", "intermediate_steps": [[[action, input, log], observation], …],
                                "Final Thought", "output"}, …]
    evaluation   "Instructions": […], "Golden_Answers": [[{"Action", "Action_Input"}, …], …]

Rows of the second kind are a test set's. A golden argument that is empty text was left open by the question,
so it may be left out; golden actions from the first that needs the result of another (`${…}`) are not kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from agent.transcript import Accepted, Call, CallerTurn, ToolSpec, UserTurn
from train.data.importers.common.dialogue import Message, call_of, planner, turns_of
from train.data.importers.common.draft import Draft, Outcome, Unusable, each, listed, mapping, text
from train.data.importers.common.schemas import parameters_of, type_of

ASK = ToolSpec(
    "getDetails",
    "Ask the user for details that are missing.",
    {"type": "object", "properties": {"Question": {"type": "string"}}, "required": ["Question"]},
)
"""Stands beside every API in ToolAlpaca; on offer here where a conversation uses it."""
_PARAMETER = re.compile(
    r"\s*(Required\.|Optional\.)?\s*([A-Za-z]+)((?:\[[^\]]*\]|\{[^}]*\})?)\.?\s*(.*)", re.DOTALL
)
_ACTION = re.compile(r"\n\s*(?:ASSISTANT )?Action:")


def convert(value: Mapping[str, Any]) -> Iterator[Outcome]:
    """The rows of an API, each with its number in the list."""
    described = value.get("Function_Description")
    described = described if isinstance(described, Mapping) else value.get("Functions")
    described = mapping(described, "Function_Description")
    names = mapping(value.get("Function_Projection") or described, "Function_Projection")
    tools = tuple(_tool(name, described.get(name)) for name in names if name != "components")
    golden = value.get("Golden_Answers")
    if isinstance(golden, list):
        questions = listed(value.get("Instructions"), "Instructions")
        makers = [(_golden, pair) for pair in zip(questions, golden, strict=False)]
    else:
        makers = [(_instance, (item,)) for item in listed(value.get("Instances"), "Instances")]
    label = re.sub(r"\s+", "_", str(value.get("Name", "")).strip())
    for number, (make, given) in enumerate(makers, 1):
        try:
            yield make(f"{label}-{number}", tools, *given)
        except Unusable as error:
            yield Unusable(error.reason, f"question {number}: {error.detail}")


def _tool(name: str, described: Any) -> ToolSpec:
    described = text(described, "a function's description")
    head, found, rest = described.partition("Parameters: ")
    flat: Any = {}
    if found:
        try:
            flat = json.JSONDecoder(strict=False).raw_decode(rest)[0]
        except ValueError as error:
            raise Unusable("tools are not JSON", f"{name}: {error}") from None
    properties = {
        parameter: _parameter(said) for parameter, said in mapping(flat, "a function's parameters").items()
    }
    required = [parameter for parameter, said in flat.items() if str(said).strip().startswith("Required")]
    schema = {"type": "object", "properties": properties, "required": required}
    return ToolSpec(name, head.strip(), parameters_of(schema) if properties else parameters_of(None))


def _parameter(said: Any) -> dict[str, Any]:
    found = _PARAMETER.fullmatch(str(said))
    if not found:
        return {"description": str(said)}
    kind, description = type_of(found[2]), found[4].strip()
    if kind.get("type") == "array" and found[3].startswith("["):
        kind |= {"items": type_of(found[3][1:-1])}
    return kind | ({"description": description} if description else {})


def _golden(label: str, tools: tuple[ToolSpec, ...], question: Any, actions: Any) -> Draft:
    golden = [mapping(action, "a golden answer") for action in listed(actions, "a golden answer")]
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
    turns = (UserTurn(text(question, "a question")), planner("", "caller"), turn)
    return Draft(_offered(tools, calls), turns, "", label, is_test=True)


def _instance(label: str, tools: tuple[ToolSpec, ...], value: Any) -> Draft:
    value = mapping(value, "an instance")
    question = text(value.get("input"), "a question").rsplit("\nHint: ", 1)[0]
    messages = [Message("user", question)]
    for step in listed(value.get("intermediate_steps"), "intermediate_steps"):
        match step:
            case [[str(name), arguments, *log], observation]:
                call = call_of({"name": name, "arguments": arguments})
                thought = _ACTION.split(str(log[0]))[0] if log else ""
                messages += [
                    Message("assistant", "", thought.strip().removeprefix("Thought:"), (call,)),
                    Message("tool", text(observation, "an observation")),
                ]
            case _:
                raise Unusable("a step that cannot be read", str(step)[:200])
    last = value.get("Final Thought") or ""
    messages.append(Message("assistant", text(value.get("output"), "the output"), text(last, "a thought")))
    calls = tuple(call for message in messages for call in message.calls)
    return Draft(_offered(tools, calls), turns_of(messages), "", label)


def _offered(tools: tuple[ToolSpec, ...], calls: tuple[Call, ...]) -> tuple[ToolSpec, ...]:
    asks = any(call.name == ASK.name for call in calls) and not any(tool.name == ASK.name for tool in tools)
    return (*tools, ASK) if asks else tools


read = each(convert)
