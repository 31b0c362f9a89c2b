"""Raw ToolBench answers (arXiv 2307.16789): a tree of tries, of which the best one's path is taken.

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
from train.data.importers.common.dialogue import Message, call_of, loose_json, turns_of
from train.data.importers.common.draft import Draft, Outcome, Unusable, each, listed, mapping, text
from train.data.importers.common.schemas import tools_of

FINISH = "Finish"
AGAIN = "This is not the first time you try this task"
"""How ToolBench's search asks for another try. No user said it."""


def convert(value: Mapping[str, Any]) -> Iterator[Outcome]:
    """The one row of an answer."""
    answer = mapping(value.get("answer_generation"), "answer_generation")
    question = text(answer.get("query"), "the query").strip()
    tools = tuple(tool for tool in tools_of(answer.get("function")) if tool.name != FINISH)
    tree = value.get("tree")
    if isinstance(tree, Mapping) and isinstance(tree.get("tree"), Mapping):
        messages = path_messages(best_path(tree["tree"]))
    else:
        given = listed(answer.get("train_messages") or [], "train_messages")
        lists = [listed(item, "train_messages") for item in given]
        if not lists:
            raise Unusable("no answer", "neither a tree nor train_messages")
        messages = chain_messages(max(lists, key=len))
    yield Draft(tools, turns_of([Message("user", question), *messages]))


def best_path(root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The nodes from under `root` to the last end that answers, or to the last that gives up.

    Raises Unusable where no try was ended.
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
        raise Unusable("no answer", "no try reaches Finish")
    return found.get(False) or found[True]


def _children(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    children = node.get("children")
    return [child for child in children if isinstance(child, Mapping)] if isinstance(children, list) else []


def path_messages(path: Sequence[Mapping[str, Any]]) -> Iterator[Message]:
    """The messages of a path's nodes."""
    thought, name = "", ""
    for node in path:
        said = text(node.get("description") or "", "a node's description")
        match node.get("node_type"):
            case "Thought":
                thought = f"{thought} {said}".strip()
            case "Action":
                name = said
            case "Action Input" if name:
                yield from step(name, said, thought, node.get("observation"))
                thought, name = "", ""


def chain_messages(messages: Sequence[Any]) -> Iterator[Message]:
    """The messages of a list of OpenAI's older kind, without ToolBench's instructions."""
    results = [item for item in messages if isinstance(item, Mapping) and item.get("role") == "function"]
    for item in messages:
        if not isinstance(item, Mapping) or item.get("role") != "assistant":
            continue
        thought = text(item.get("content") or "", "a message")
        if not item.get("function_call"):
            # A thought alone: the next message acts on it.
            continue
        called = mapping(item["function_call"], "a call")
        name, arguments = called.get("name"), called.get("arguments")
        arguments = arguments if isinstance(arguments, str) else compact(arguments)
        result = results.pop(0).get("content") if results and name != FINISH else None
        yield from step(str(name), arguments, thought, result)


def step(name: str, arguments: str, thought: str, observation: Any) -> Iterator[Message]:
    """The messages of one call, or of the end."""
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
    value = loose_json(arguments)
    answer = value.get("final_answer") if isinstance(value, Mapping) else None
    if not isinstance(answer, str) or not answer.strip():
        raise Unusable("no answer", "Finish holds no final_answer")
    return answer


def result(observation: Any) -> tuple[str, bool]:
    """(content, whether the call failed) of `{"error": …, "response": …}`; anything else is content."""
    try:
        value = json.loads(observation) if isinstance(observation, str) else observation
    except ValueError:
        return str(observation), False
    if not isinstance(value, Mapping) or "response" not in value:
        return observation if isinstance(observation, str) else compact(value), False
    said = value.get("error") or value["response"]
    return said if isinstance(said, str) else compact(said), bool(value.get("error"))


read = each(convert)
