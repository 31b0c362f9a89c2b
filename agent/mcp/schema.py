"""JSON Schemas of other programs made fit for the grammars of calls and for small models.

A fitted schema holds only keywords that grammars can be made of, and refers to nothing. It may allow more
than the original one, which the server checks a call against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.tools.lib.output import shorten, strip_control
from agent.transcript import compact

MAX_DESCRIPTION = 160
"""Characters of a parameter's description that models read."""
MAX_SCHEMA = 6000
"""Characters of a tool's schema, about 1,500 tokens."""
MAX_PROPERTIES = 40
MAX_DEPTH = 6
MAX_CHOICES = 200
MAX_BOUND = 1000
"""A bound of lengths or counts above it is dropped: grammars of it are slow to make."""
MAX_PATTERN = 200
MAX_PARTS = 2000
"""Parts of a schema that are looked at; references can make millions of a short text."""
MAX_NAME = 64

_TYPES = ("string", "number", "integer", "boolean", "object", "array")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems")
_FORMATS = ("date", "time", "date-time", "email", "uuid", "ipv4")
_OBJECT_KEYS = {"type", "properties", "required", "additionalProperties"}


class UnfitSchemaError(ValueError):
    """A schema that no grammar takes; the text says why."""


def fitted(schema: Any) -> dict[str, Any]:
    """Return the schema of a tool's arguments made fit. Raise UnfitSchemaError."""
    if not isinstance(schema, Mapping):
        raise UnfitSchemaError("its parameters are no JSON Schema")
    result = _Fitting(schema).fit(schema, 0)
    result.pop("description", None)
    if result.get("type", "object") != "object" or not result.keys() <= _OBJECT_KEYS:
        raise UnfitSchemaError("its parameters are no object")
    result = {"type": "object", "properties": result.get("properties", {})} | result
    for simpler in (lambda same: same, _without_descriptions, _without_optional):
        if len(compact(simpler(result))) <= MAX_SCHEMA:
            return simpler(result)
    raise UnfitSchemaError(
        f"its parameters take {len(compact(result))} characters, and {MAX_SCHEMA} are read"
    )


def without_patterns(schema: Any) -> Any:
    """Return a fitted schema without the keywords that may hold what grammars refuse."""
    return _without(schema, ("pattern", "format"))


class _Fitting:
    """One pass over a schema, which follows the references inside it."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = MAX_PARTS

    def fit(self, schema: Any, depth: int) -> dict[str, Any]:
        self._left -= 1
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH or self._left < 0:
            return {}
        schema = self._merged(schema, depth)
        options = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(options, Sequence) and options and not isinstance(options, str):
            return self._choice(schema, options, depth)
        result: dict[str, Any] = {}
        if text := schema.get("description"):
            result["description"] = shorten(strip_control(str(text)), MAX_DESCRIPTION)
        choices = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(choices, list) and 0 < len(choices) <= MAX_CHOICES and all(map(_is_scalar, choices)):
            return {"enum": [one for one in choices if one is not None] or choices} | result
        kinds = self._kinds(schema)
        if len(kinds) > 1:
            options = [{**schema, "type": kind, "description": ""} for kind in kinds]
            return {"anyOf": [self.fit(option, depth + 1) for option in options]} | result
        if kinds:
            result = {"type": kinds[0]} | result
        if "object" in kinds:
            result |= self._object(schema, depth)
        if "array" in kinds:
            items = self.fit(schema.get("items"), depth + 1)
            result |= {"items": items} if items else {}
        return result | _bounds(schema, kinds)

    def _kinds(self, schema: Mapping[str, Any]) -> list[str]:
        said = schema.get("type")
        kinds = [kind for kind in (said if isinstance(said, list) else [said]) if kind in _TYPES]
        return list(dict.fromkeys(kinds)) or (
            ["object"] if schema.keys() & {"properties", "required"} else []
        )

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        said = schema.get("properties")
        properties = dict(said) if isinstance(said, Mapping) else {}
        required = schema.get("required")
        needed = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        properties |= {name: True for name in needed if name not in properties}
        for name in properties:
            if not isinstance(name, str) or len(name) > MAX_NAME or strip_control(name) != name:
                raise UnfitSchemaError("a parameter has a name that cannot be shown")
        kept = [name for name, value in properties.items() if value is not False]
        if len(kept) > MAX_PROPERTIES:
            kept = [name for name in kept if name in needed]
        if len(kept) > MAX_PROPERTIES:
            raise UnfitSchemaError(f"it needs {len(kept)} parameters")
        rest = schema.get("additionalProperties")
        if not kept:
            extra = self.fit(rest, depth + 1) if isinstance(rest, Mapping) else {}
            return {"additionalProperties": extra} if extra else {}
        fitted_ones = {name: self.fit(properties[name], depth + 1) for name in kept}
        return {"properties": fitted_ones} | ({"required": list(dict.fromkeys(needed))} if needed else {})

    def _choice(self, schema: Mapping[str, Any], options: Sequence[Any], depth: int) -> dict[str, Any]:
        """Return the schema of one of several; an option that is null stands for leaving it out."""
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
        usable = [option for option in options if not _is_null(option)]
        if len(usable) > MAX_CHOICES:
            return {}
        merged = [{**rest, **option} if isinstance(option, Mapping) else option for option in usable]
        if len(merged) == 1:
            return self.fit(merged[0], depth + 1)
        return {"anyOf": [self.fit(option, depth + 1) for option in merged]} if merged else {}

    def _merged(self, schema: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        """Return the schema with what it refers to, and what it is made of, put into it."""
        for _ in range(MAX_DEPTH):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                break
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self._target(reference), **rest}
        else:
            return {}
        parts = schema.get("allOf")
        self._left -= 1
        if not isinstance(parts, list) or depth > MAX_DEPTH or self._left < 0:
            return schema
        merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in parts[:MAX_PROPERTIES]:
            if not isinstance(part, Mapping):
                continue
            for key, value in self._merged(part, depth + 1).items():
                old = merged.get(key)
                if key == "properties" and isinstance(old, Mapping) and isinstance(value, Mapping):
                    merged[key] = {**old, **value}
                elif key == "required" and isinstance(old, list) and isinstance(value, list):
                    merged[key] = [*old, *value]
                else:
                    merged.setdefault(key, value)
        return merged

    def _target(self, reference: str) -> Mapping[str, Any]:
        """Return what a reference inside the schema names; anything is allowed where it names nothing."""
        value: Any = self._root
        if not reference.startswith("#"):
            return {}
        for part in reference.removeprefix("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if isinstance(value, Mapping) else {}


def _bounds(schema: Mapping[str, Any], kinds: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = (_NUMBERS if {"number", "integer"} & set(kinds) else ()) + _COUNTS
    for name in names:
        value = schema.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        is_count = name in _COUNTS
        fits_kind = kinds == ["string"] if name.endswith("Length") else kinds == ["array"]
        if not is_count or (fits_kind and isinstance(value, int) and 0 <= value <= MAX_BOUND):
            found[name] = value
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        if low in found and high in found and found[low] > found[high]:
            del found[low], found[high]
    pattern = schema.get("pattern")
    if kinds == ["string"] and isinstance(pattern, str) and len(pattern) <= MAX_PATTERN:
        found["pattern"] = pattern
    if kinds == ["string"] and schema.get("format") in _FORMATS:
        found["format"] = schema["format"]
    return found


def _is_scalar(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, bool | int | float)
        or (isinstance(value, str) and len(value) < 200)
    )


def _is_null(option: Any) -> bool:
    return isinstance(option, Mapping) and (option.get("type") == "null" or option.get("enum") == [None])


def _without_descriptions(schema: dict[str, Any]) -> dict[str, Any]:
    return _without(schema, ("description",))


def _without_optional(schema: dict[str, Any]) -> dict[str, Any]:
    needed = schema.get("required", [])
    properties = {name: value for name, value in schema["properties"].items() if name in needed}
    return _without(schema | {"properties": properties}, ("description",))


def _without(schema: Any, keys: Sequence[str]) -> Any:
    """Return a fitted schema without some keywords, which may also be names of parameters."""
    if isinstance(schema, list):
        return [_without(part, keys) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: {name: _without(part, keys) for name, part in value.items()}
        if key == "properties"
        else value
        if key == "enum"
        else _without(value, keys)
        for key, value in schema.items()
        if key not in keys
    }
