"""Normalization of tool descriptions to JSON Schema: other names of types, flat lists of parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from agent.transcript import ToolSpec
from agent.transcript.formats.conversion import UnusableRecordError

_NAMES = {
    "string": "str string text char varchar",
    "integer": "int integer long short int32 int64",
    "number": "float number double decimal num float32 float64 numeric",
    "boolean": "bool boolean",
    "object": "dict dictionary object map hash hashmap mapping json",
    "array": "list array tuple set arraylist sequence",
    "null": "none null nonetype void",
}
TYPES = {name: kind for kind, names in _NAMES.items() for name in names.split()}
"""Names of types in other formats, in lower case -> JSON Schema's name. Unknown names allow any value."""
_GENERIC = re.compile(r"(\w+)\s*[\[<(](.*)[\]>)]", re.DOTALL)


def tools_of(value: Any) -> tuple[ToolSpec, ...]:
    """Return the tools in a list, in one object, or in the JSON text of either. None and "" are no tools.

    Raise UnusableRecordError where it is none of these.
    """
    if isinstance(value, str):
        value = objects_in(value) if value.strip() else []
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, (list, type(None))):
        raise UnusableRecordError("tools is not a list")
    specs: dict[str, ToolSpec] = {}
    for item in value or []:
        spec = tool_of(item)
        if specs.setdefault(spec.name, spec) != spec:
            raise UnusableRecordError("two tools have one name", spec.name)
    return tuple(specs.values())


def objects_in(text: str) -> list[Any]:
    """Return the elements of a JSON array, or of concatenated JSON objects. Raise UnusableRecordError."""
    decoder, found, at = json.JSONDecoder(), [], 0
    try:
        while text[at:].strip(" \t\r\n,"):
            at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n,"))
            value, at = decoder.raw_decode(text, at)
            found += value if isinstance(value, list) else [value]
    except ValueError as error:
        raise UnusableRecordError("tools are not JSON", str(error)) from None
    return found


def tool_of(value: Any) -> ToolSpec:
    """Return a tool in OpenAI's form `{"type":"function","function":{…}}`, or its inner object alone."""
    if isinstance(value, Mapping) and isinstance(value.get("function"), Mapping):
        value = value["function"]
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str) or not value["name"]:
        raise UnusableRecordError("a tool has no name")
    keys = ("parameters", "input_schema", "inputSchema", "arguments")
    given = next((value[key] for key in keys if value.get(key)), None)
    description = value.get("description")
    parameters = parameters_of(given, value.get("required"))
    return ToolSpec(value["name"], description if isinstance(description, str) else "", parameters)


def parameters_of(value: Any, required: Any = None) -> dict[str, Any]:
    """Return a JSON Schema of type object of a tool's parameters: a schema, or a flat `{name: description}`.

    `required` is a list that stands outside of the parameters. Where nothing says what is required, a flat
    parameter is unless it has a default or is called optional.
    """
    if value in (None, "", [], {}):
        return {"type": "object", "properties": {}}
    if not isinstance(value, Mapping):
        raise UnusableRecordError("the parameters of a tool are not an object")
    if _is_schema(value):
        schema = schema_of({"required": required or [], **value, "type": "object"})
    else:
        names = required if isinstance(required, list) else [n for n, item in value.items() if _needed(item)]
        schema = schema_of({"type": "object", "properties": value, "required": names})
    return {"type": "object", "properties": schema.pop("properties", {}), **schema}


def _is_schema(value: Mapping[str, Any]) -> bool:
    # A flat list may hold a parameter called `properties`, `type` or `required` too.
    nested = value.get("properties")
    if isinstance(nested, Mapping):
        named = isinstance(value.get("type"), str)
        return named or not nested or any(isinstance(item, Mapping) for item in nested.values())
    return isinstance(value.get("type"), str) and value.keys() <= {"type", "required", "description"}


def schema_of(value: Any) -> dict[str, Any]:
    """Return the JSON Schema of another format's schema; `"string, the id"` is a type and a description."""
    if isinstance(value, str):
        kind, _, description = value.partition(",")
        return type_of(kind) | ({"description": description.strip()} if description.strip() else {})
    if not isinstance(value, Mapping):
        return {}
    result: dict[str, Any] = {}
    for key, item in value.items():
        if key == "type":
            result |= _type(item)
        elif key == "properties" and isinstance(item, Mapping):
            result[key] = {name: schema_of(child) for name, child in item.items()}
        elif key == "items":
            result |= _items(item)
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(item, list):
            result[key] = [schema_of(child) for child in item]
        elif key == "additionalProperties" and isinstance(item, Mapping):
            result[key] = schema_of(item)
        elif key not in ("required", "optional", "nullable", "properties") and not _broken(key, item):
            result[key] = item
    if result.get("type") == "array" and not any(isinstance(one, list) for one in result.get("enum", [[]])):
        result["items"] = {**result.get("items", {}), "enum": result.pop("enum")}
    if value.get("nullable") is True and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    return result | _required(value, result.get("properties", {}))


def _required(value: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    given = value.get("required")
    names = [name for name in properties if name in given] if isinstance(given, list) else []
    inside = value.get("properties")
    for name, child in inside.items() if isinstance(inside, Mapping) else ():
        if isinstance(child, Mapping) and child.get("required") is True and name not in names:
            names.append(name)
    return {"required": list(dict.fromkeys(names))} if names else {}


def _needed(item: Any) -> bool:
    kind = item.get("type", "") if isinstance(item, Mapping) else item
    has_default = isinstance(item, Mapping) and "default" in item
    return not has_default and "optional" not in str(kind).lower()


def _type(item: Any) -> dict[str, Any]:
    if isinstance(item, list):
        kinds = [TYPES.get(str(name).lower()) for name in item]
        return {"type": list(dict.fromkeys(kinds))} if kinds and all(kinds) else {}
    return type_of(item) if isinstance(item, str) else {}


def type_of(text: str) -> dict[str, Any]:
    """Return the schema of a type name: `str`, `List[int]`, `Union[str, int]`, `int, optional`, `x[]`."""
    name = re.sub(r"[,\s(]*\boptional\b(?!\s*\[)[)\s]*", "", text.strip(), flags=re.IGNORECASE).strip(" .")
    if name.endswith("[]"):
        return {"type": "array", "items": type_of(name[:-2])}
    if "|" in name and not _GENERIC.fullmatch(name):
        return _either(name.split("|"))
    if generic := _GENERIC.fullmatch(name):
        outer, inner = generic[1].lower(), _parts(generic[2])
        if outer == "optional":
            return type_of(generic[2])
        if outer == "union":
            return _either(inner)
        kind = {"type": TYPES[outer]} if outer in TYPES else {}
        same = len({part for part in inner if part != "..."}) == 1
        items = type_of(inner[0]) if same else {}
        return kind | ({"items": items} if kind.get("type") == "array" and items else {})
    kind = TYPES.get(name.lower())
    return {"type": kind} if kind else {}


def _either(names: list[str]) -> dict[str, Any]:
    kinds = [type_of(name) for name in names]
    if not all(set(kind) == {"type"} for kind in kinds):
        return {}
    found = list(dict.fromkeys(kind["type"] for kind in kinds))
    return {"type": found[0] if len(found) == 1 else found}


def _parts(text: str) -> list[str]:
    """Return `text` split at the commas outside brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[<(") - (char in "]>)")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def _items(item: Any) -> dict[str, Any]:
    # A list of schemas was a tuple's until draft 2020-12.
    if isinstance(item, list):
        return {"prefixItems": [schema_of(child) for child in item]} if item else {}
    return {"items": schema_of(item)}


def _broken(key: str, item: Any) -> bool:
    # Draft 4 has true and false for exclusive bounds, later ones numbers.
    if key in ("exclusiveMinimum", "exclusiveMaximum"):
        return isinstance(item, bool)
    return key == "enum" and not (isinstance(item, list) and item)
