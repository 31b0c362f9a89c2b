"""The grammar of a call: its tool is one of those on offer, and its arguments fit that tool's schema.

Where a tool says what its arguments are made of, a copied one can only be written as it stands in the
conversation, and a derived one only with numbers that the conversation holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from agent.errors import EngineError
from agent.llama.grammar.copying import ArgumentTerminals
from agent.prompting.call_markup import CallMarkup
from agent.tools.lib.output import shorten
from agent.transcript import ToolSpec, compact
from agent.transcript.arguments import ArgumentKind

MAX_CALLS = 4
"""Parallel calls in one step, at most."""
NO_TOOLS = "the caller was asked to write a call and no tools are on offer"
LONGEST_INTEGER = 9
"""Digits of an integer that a stock model writes, at most."""
_BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum", "const"}
JSON_OPTIONS = {"whitespace_flexible": False, "json_allowed_escapes": '"\\bfnrtu'}
"""What llguidance holds arguments to beside their schema: no space, and the escapes of Python's JSON."""

COMPACT = CallMarkup('{"name":"', '","arguments":', ",", ":")
"""A call as umi's own models write it, without spaces."""

Kinds = Mapping[str, ArgumentKind]
"""What the parameters of a tool are made of, by name; one that is not here is free."""


def refusal(tool: ToolSpec) -> str:
    """Return why no grammar can be made of the calls of `tool`, in a line; an empty text where one can."""
    from llguidance import LLMatcher

    message = LLMatcher.validate_grammar(caller_grammar([tool]), None)
    return shorten(message.partition("failed to compile JSON schema: ")[2] or message, 100)


def caller_grammar(
    tools: Sequence[ToolSpec],
    kinds: Mapping[str, Kinds] | None = None,
    texts: Sequence[str] = (),
    thought: str = "",
) -> str:
    """Return a grammar of one to MAX_CALLS lines, each a compact JSON call valid for one of `tools`.

    `kinds` are those of the parameters of the tools called so, `texts` what the user and the tools said. The
    calls are of tools that the planner's `thought` names, if it names any.
    """
    if not tools:
        raise EngineError(NO_TOOLS)
    named = [tool for tool in tools if names_tool(thought, tool.name)]
    ordered = sorted(named or tools, key=lambda tool: tool.name)
    lines = [
        rf'start: call ("\n" call){{0,{MAX_CALLS - 1}}}',
        f"call: {' | '.join(f'call_{index}' for index in range(len(ordered)))}",
    ]
    terminals = ArgumentTerminals(texts)
    for index, tool in enumerate(ordered):
        opening = json.dumps(f'{{"name":{compact(tool.name)},"arguments":')
        own = (kinds or {}).get(tool.name, {})
        if own and (properties := _plain_properties(tool, own)):
            lines.append(f'call_{index}: {opening} "{{" args_{index} "}}}}"')
            lines += _object_rules(index, tool, properties, own, terminals)
        else:
            lines.append(f'call_{index}: {opening} {_json_rule(closed(tool.parameters), COMPACT)} "}}"')
    return "\n".join([*lines, *terminals.lines()])


def names_tool(text: str, name: str) -> bool:
    """Return whether `text` holds the name of a tool as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _plain_properties(tool: ToolSpec, kinds: Kinds) -> Mapping[str, Any]:
    """Return the properties of a tool whose schema is plain and holds all that `kinds` names, else none."""
    schema = tool.parameters
    properties = schema.get("properties", {})
    if schema.keys() <= {"type", "properties", "required"} and kinds.keys() <= properties.keys():
        return properties
    return {}


def _object_rules(
    index: int,
    tool: ToolSpec,
    properties: Mapping[str, Any],
    kinds: Kinds,
    terminals: ArgumentTerminals,
    markup: CallMarkup = COMPACT,
) -> Iterator[str]:
    """Yield the rules of the arguments of a tool: its properties in their order, optional ones or not.

    They are spaced as `markup` has it.
    """
    separator = f" {json.dumps(markup.item_separator)} "
    required = set(tool.parameters.get("required", ()))
    optional = [name for name in properties if name not in required]
    names = {name: f"arg_{index}_{position}" for position, name in enumerate(properties)}
    sets = [
        [name for name in properties if name in required or name in chosen]
        for size in range(len(optional) + 1)
        for chosen in combinations(optional, size)
    ]
    yield f"args_{index}: " + " | ".join(
        separator.join(names[name] for name in chosen) if chosen else '""' for chosen in sets
    )
    for name, schema in properties.items():
        key = json.dumps(f"{compact(name)}{markup.key_separator}")
        kind = kinds.get(name)
        value = terminals.rule(kind) if kind else _json_rule(closed(schema), markup)
        yield f"{names[name]}: {key} {value}"


def arguments_grammar(
    tool: ToolSpec, markup: CallMarkup, kinds: Kinds | None = None, texts: Sequence[str] = ()
) -> str:
    """Return a grammar of the arguments of `tool`, spaced as `markup` has it.

    `kinds` are those of its parameters, `texts` what the user and the tools said.
    """
    gap = markup.middle[len(markup.middle.rstrip(" ")) :]
    before = f"{json.dumps(gap)} " if gap else ""
    bounded = replace(tool, parameters=_bounded(tool.parameters))
    if kinds and (properties := _plain_properties(bounded, kinds)):
        terminals = ArgumentTerminals(texts)
        rules = list(_object_rules(0, bounded, properties, kinds, terminals, markup))
        return "\n".join([f'start: {before}"{{" args_0 "}}"', *rules, *terminals.lines()])
    return f"start: {before}{_json_rule(closed(bounded.parameters), markup)}"


def _json_rule(schema: Mapping[str, Any], markup: CallMarkup) -> str:
    options = JSON_OPTIONS | {"item_separator": markup.item_separator, "key_separator": markup.key_separator}
    return f"%json {compact({**schema, 'x-guidance': options})}"


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` with `additionalProperties` false in every object that lists its properties."""
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, Mapping):
            result[key] = {name: _closed_part(part) for name, part in value.items()}
        elif key in ("enum", "const", "default", "examples"):
            result[key] = value
        else:
            result[key] = _closed_part(value)
    # Beside these keywords, the listed properties are only some of the object's.
    composed = any(key in schema for key in ("allOf", "anyOf", "oneOf", "$ref"))
    if "properties" in schema and not composed:
        result.setdefault("additionalProperties", False)
    return result


def _closed_part(value: Any) -> Any:
    if isinstance(value, list):
        return [_closed_part(item) for item in value]
    return closed(value) if isinstance(value, Mapping) else value


def _bounded(schema: Any) -> Any:
    """Return `schema` with integers of at most LONGEST_INTEGER digits where it has no bounds of its own.

    Greedy decoding of a small model may go on writing zeros.
    """
    if isinstance(schema, list):
        return [_bounded(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    bounded = {
        key: part if key in ("enum", "const", "default", "examples") else _bounded(part)
        for key, part in schema.items()
    }
    if bounded.get("type") == "integer" and not bounded.keys() & _BOUNDS:
        bounded |= {"minimum": 1 - 10**LONGEST_INTEGER, "maximum": 10**LONGEST_INTEGER - 1}
    return bounded
