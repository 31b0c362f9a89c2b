"""Importer of raw ToolBench answers (arXiv 2307.16789): the best path of a tree of tries.

    {"answer_generation": {"query": …, "function": […], "train_messages": […]}, "tree": {"tree": {node}}}

A node is a `Thought`, an `Action` (a tool's name) or an `Action Input` (its arguments, with the observation).
The tool `Finish` ends a try: with an answer, or by giving up. Where a file has no tree, the longest list of
`train_messages` is read. A file holds one answer, or a list of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.transcript import Call, compact
from agent.transcript.formats.conversion import (
    Conversation,
    Conversion,
    UnusableRecordError,
    convert_each,
    require_list,
    require_object,
    require_text,
)
from agent.transcript.formats.dialogue import Message, call_of, parse_json_or_literal, turns_of
from agent.transcript.formats.schemas import tools_of

FINISH = "Finish"
AGAIN = "This is not the first time you try this task"
"""The prefix with which ToolBench's search asks for another try, which is not a message of the user."""


def convert(value: Mapping[str, Any]) -> Iterator[Conversion]:
    """Yield the one conversation of an answer."""
    answer = require_object(value.get("answer_generation"), "answer_generation")
    question = require_text(answer.get("query"), "the query").strip()
    tools = tuple(tool for tool in tools_of(answer.get("function")) if tool.name != FINISH)
    tree = value.get("tree")
    if isinstance(tree, Mapping) and isinstance(tree.get("tree"), Mapping):
        messages = path_messages(best_path(tree["tree"]))
    else:
        given = require_list(answer.get("train_messages") or [], "train_messages")
        lists = [require_list(item, "train_messages") for item in given]
        if not lists:
            raise UnusableRecordError("no answer", "neither a tree nor train_messages")
        messages = chain_messages(max(lists, key=len))
    yield Conversation(tools, turns_of([Message("user", question), *messages]))


def best_path(root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the nodes below `root` on the path of the last try that answers, else of the last that gives up.

    Raise UnusableRecordError if no try was finished.
    """
    found: dict[bool, list[Mapping[str, Any]]] = {}
    stack: list[list[Mapping[str, Any]]] = [[child] for child in _children(root)]
    while stack:
        path = stack.pop()
        if len(path) > 1 and path[-2].get("description") == FINISH:
            # Children are taken last first, so what is found first is the last try.
            found.setdefault(_gives_up(path[-1].get("description")), path)
        stack += [[*path, child] for child in _children(path[-1])]
    if not found:
        raise UnusableRecordError("no answer", "no try reaches Finish")
    return found.get(False) or found[True]


def _children(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    children = node.get("children")
    return [child for child in children if isinstance(child, Mapping)] if isinstance(children, list) else []


def path_messages(path: Sequence[Mapping[str, Any]]) -> Iterator[Message]:
    """Yield the messages of the nodes of a path."""
    thought, name = "", ""
    for node in path:
        text = require_text(node.get("description") or "", "a node's description")
        match node.get("node_type"):
            case "Thought":
                thought = f"{thought} {text}".strip()
            case "Action":
                name = text
            case "Action Input" if name:
                yield from step(name, text, thought, node.get("observation"))
                thought, name = "", ""


def chain_messages(messages: Sequence[Any]) -> Iterator[Message]:
    """Yield the messages of a list in OpenAI's older format, without ToolBench's instructions."""
    results = [item for item in messages if isinstance(item, Mapping) and item.get("role") == "function"]
    for item in messages:
        if not isinstance(item, Mapping) or item.get("role") != "assistant":
            continue
        thought = require_text(item.get("content") or "", "a message")
        if not item.get("function_call"):
            # A thought alone: the next message acts on it.
            continue
        called = require_object(item["function_call"], "a call")
        name, arguments = called.get("name"), called.get("arguments")
        arguments = arguments if isinstance(arguments, str) else compact(arguments)
        result = results.pop(0).get("content") if results and name != FINISH else None
        yield from step(str(name), arguments, thought, result)


def step(name: str, arguments: str, thought: str, observation: Any) -> Iterator[Message]:
    """Yield the messages of one call, or of the end of a try."""
    if name == FINISH:
        if _gives_up(arguments):
            yield Message("assistant", "", thought, alone="give up")
        else:
            yield Message("assistant", _answer(arguments), thought)
        return
    call = call_of({"name": name, "arguments": arguments})
    yield Message("assistant", "", thought, (Call(name, call.arguments),))
    if observation is not None:
        content, error = result(observation)
        yield Message("tool", content, error=error)


def _gives_up(arguments: Any) -> bool:
    return "give_up" in str(arguments)[:200]


def _answer(arguments: str) -> str:
    value = parse_json_or_literal(arguments)
    answer = value.get("final_answer") if isinstance(value, Mapping) else None
    if not isinstance(answer, str) or not answer.strip():
        raise UnusableRecordError("no answer", "Finish holds no final_answer")
    return answer


def result(observation: Any) -> tuple[str, bool]:
    """Return (content, whether the call failed) of `{"error": …, "response": …}` or other content."""
    try:
        value = json.loads(observation) if isinstance(observation, str) else observation
    except ValueError:
        return str(observation), False
    if not isinstance(value, Mapping) or "response" not in value:
        return observation if isinstance(observation, str) else compact(value), False
    content = value.get("error") or value["response"]
    return content if isinstance(content, str) else compact(content), bool(value.get("error"))


convert_records = convert_each(convert)
