"""Coercion of arguments to the types of a tool's schema, for data with loose types."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from agent.transcript import Accepted, Call, CallerTurn, ToolSpec, Turn, compact

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,17})?")


def coerce_turn(turn: Turn, tools: Mapping[str, ToolSpec]) -> Turn:
    """Return `turn` with the arguments of its calls and accepted calls coerced to their tools' schemas."""
    if not isinstance(turn, CallerTurn):
        return turn
    schemas = {name: tool.parameters for name, tool in tools.items()}
    calls = tuple(Call(c.name, coerce(c.arguments, schemas.get(c.name, {}))) for c in turn.calls)
    accept = []
    for call, answer in zip(calls, turn.accept, strict=False):
        known = schemas.get(answer.name, {}).get("properties", {})
        values = {
            name: [coerce(value, known.get(name, {})) for value in items]
            for name, items in answer.arguments.items()
        }
        omitted = tuple(
            name for name, items in values.items() if None in items and name not in call.arguments
        )
        optional = tuple(dict.fromkeys(answer.optional + omitted))
        accept.append(Accepted(answer.name, values, optional))
    return CallerTurn(calls, tuple(accept))


def coerce(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return `value` coerced to the type of `schema` if that is lossless: "5" to 5, "true" to true, 5.0 to 5.

    Optional parameters that are null are removed. Other values are returned unchanged.
    """
    kind = schema.get("type")
    match kind, value:
        case "string", int() | float() if not isinstance(value, bool) and abs(value) != math.inf:
            return compact(value)
        case "integer", str() if _WHOLE.fullmatch(value):
            return int(value)
        case "integer", float() if value.is_integer():
            return int(value)
        case "number", str() if _NUMBER.fullmatch(value):
            return float(value) if "." in value else int(value)
        case "boolean", "true" | "True" | "false" | "False":
            return value.lower() == "true"
        case "array" | "object", str() if value[:1] in ("[", "{"):
            try:
                return coerce(json.loads(value), schema)
            except ValueError:
                return value
        case "array", list() if isinstance(schema.get("items"), Mapping):
            return [coerce(item, schema["items"]) for item in value]
        case "object", Mapping():
            known, needed = schema.get("properties", {}), schema.get("required", [])
            return {
                name: coerce(item, known.get(name, {}))
                for name, item in value.items()
                if item is not None or name in needed or not isinstance(known.get(name, {}).get("type"), str)
            }
    return value
