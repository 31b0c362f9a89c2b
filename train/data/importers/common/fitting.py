"""Arguments spelled as a tool's schema wants them: what data with loose types needs to become valid."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from agent.transcript import Accepted, Call, CallerTurn, ToolSpec, Turn, compact

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,17})?")


def fitted(turn: Turn, tools: Mapping[str, ToolSpec]) -> Turn:
    """`turn` with the arguments of its calls, and those accepted, spelled as their tools want them."""
    if not isinstance(turn, CallerTurn):
        return turn
    schemas = {name: tool.parameters for name, tool in tools.items()}
    calls = tuple(Call(c.name, fit(c.arguments, schemas.get(c.name, {}))) for c in turn.calls)
    accept = []
    for call, answer in zip(calls, turn.accept, strict=False):
        known = schemas.get(answer.name, {}).get("properties", {})
        values = {
            name: [fit(value, known.get(name, {})) for value in items]
            for name, items in answer.arguments.items()
        }
        left_out = tuple(
            name for name, items in values.items() if None in items and name not in call.arguments
        )
        optional = tuple(dict.fromkeys(answer.optional + left_out))
        accept.append(Accepted(answer.name, values, optional))
    return CallerTurn(calls, tuple(accept))


def fit(value: Any, schema: Mapping[str, Any]) -> Any:
    """`value` spelled as `schema` wants it where nothing is lost: "5" and 5, "true" and true, 5.0 and 5.

    An optional parameter that is null is left out. Everything else is returned as it is.
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
                return fit(json.loads(value), schema)
            except ValueError:
                return value
        case "array", list() if isinstance(schema.get("items"), Mapping):
            return [fit(item, schema["items"]) for item in value]
        case "object", Mapping():
            known, needed = schema.get("properties", {}), schema.get("required", [])
            return {
                name: fit(item, known.get(name, {}))
                for name, item in value.items()
                if item is not None or name in needed or not isinstance(known.get(name, {}).get("type"), str)
            }
    return value
