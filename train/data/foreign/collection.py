"""The content read from public data: tools, requests with their calls, and requests that no tool serves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.transcript import Call, ToolSpec, compact
from agent.transcript.formats.coercion import coerce
from train.data.checks.validity import call_fault

MAX_QUESTION = 240
"""Maximum length of a request in characters."""
MAX_DESCRIPTION = 160
"""Maximum length of a description in characters; a longer one ends with its first sentence, or is cut."""


@dataclass(frozen=True)
class ForeignTool:
    """A tool that is not built in; `responses` are the names and JSON Schema types of what it returns."""

    spec: ToolSpec
    responses: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ForeignRequest:
    """A request in a person's words, and its calls by name of tool."""

    question: str
    calls: tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass
class Collection:
    """The tools and requests read so far."""

    tools: dict[str, ForeignTool] = field(default_factory=dict)
    requests: list[ForeignRequest] = field(default_factory=list)
    unserved: list[str] = field(default_factory=list)

    def add_tool(self, tool: ForeignTool) -> None:
        """Add a tool, unless its name is taken or not usable in a call."""
        spec = tool.spec
        if re.fullmatch(r"[A-Za-z_][\w.\-]{1,60}", spec.name):
            plain = ToolSpec(spec.name, spec.description, _plain_schema(spec.parameters))
            self.tools.setdefault(spec.name, ForeignTool(plain, tool.responses))

    def usable_requests(self) -> Iterator[ForeignRequest]:
        """Yield the requests of known tools whose arguments stand in the question and fit their schemas."""
        specs = {name: tool.spec for name, tool in self.tools.items()}
        for request in self.requests:
            if len(request.question) <= MAX_QUESTION and all(name in specs for name, _ in request.calls):
                calls = tuple(
                    (name, coerce(dict(arguments), specs[name].parameters))
                    for name, arguments in request.calls
                )
                asked = request.question.lower()
                if all(_fits(Call(name, arguments), specs, asked) for name, arguments in calls):
                    yield ForeignRequest(request.question, calls)


def _plain_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with what a model needs of each parameter: its type, choices, items, description."""
    properties = {}
    for name, schema in parameters.get("properties", {}).items():
        kept = {key: schema[key] for key in ("type", "enum", "items") if key in schema}
        if isinstance(kept.get("type"), list):
            kept["type"] = next((kind for kind in kept["type"] if kind != "null"), "string")
        if described := short(str(schema.get("description", ""))):
            kept["description"] = described
        properties[name] = kept
    result: dict[str, Any] = {"type": "object", "properties": properties}
    if required := [name for name in parameters.get("required", ()) if name in properties]:
        result["required"] = required
    return result


def _fits(call: Call, specs: Mapping[str, ToolSpec], asked: str) -> bool:
    stand = all(_stands_in(value, asked) for value in call.arguments.values())
    return stand and call_fault(call, specs, "") is None


def _stands_in(value: Any, asked: str) -> bool:
    """Return whether a value occurs in a question, so that it can be copied from there."""
    if isinstance(value, Mapping):
        return False
    if isinstance(value, list):
        return all(_stands_in(item, asked) for item in value)
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return re.search(rf"(?<!\d){re.escape(f'{value:g}')}(?!\d)", asked) is not None
    return isinstance(value, str) and bool(value.strip()) and value.strip().lower() in asked


def short(text: str) -> str:
    """Return a description of at most `MAX_DESCRIPTION` characters, its white space collapsed."""
    line = " ".join(text.split())
    if len(line) <= MAX_DESCRIPTION:
        return line
    first = re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0]
    return first if len(first) <= MAX_DESCRIPTION else f"{line[: MAX_DESCRIPTION - 1].rstrip()}…"


def snake(text: str) -> str:
    """Return words in any case as one name of lower-case words: AddToPlaylist -> add_to_playlist."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return "_".join(re.findall(r"[a-z0-9]+", spaced.lower()))


def labelled(name: str) -> str:
    """Return the name of a parameter as words: postId -> post id."""
    return snake(name).replace("_", " ")


def specification_size(specs: Iterable[ToolSpec]) -> int:
    """Return the length of tools in a prompt, in characters."""
    return sum(len(s.name) + len(s.description) + len(compact(dict(s.parameters))) + 45 for s in specs)
