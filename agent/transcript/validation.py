"""JSON into pydantic dataclasses, with errors that name the field and say what it must be.

Schema-1 rows, `bundle.json`, the settings, recipes and export reports are all read by `validate`. Messages
are worded from the JSON Schema of a field, which has its type and bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

T = TypeVar("T")
Schema = Mapping[str, Any]
"""A JSON Schema."""
FieldPath = tuple[str | int, ...]
"""Keys and list indices from the outermost object to a field."""

SHOWN = 80
"""Characters of a refused value that a message repeats."""
_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")


class MissingKeyError(ValueError):
    """Raised by a validator of a mapping that lacks `key`."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key} is missing")


@dataclass(frozen=True)
class FieldError:
    """One field that was refused.

    `missing` is required and absent; `unknown` is not a field; `invalid` has a `value` that is not `wanted`;
    `rule` breaks a rule that a validator checks, and `wanted` is the validator's message.
    """

    kind: Literal["missing", "unknown", "invalid", "rule"]
    path: FieldPath
    value: Any = None
    wanted: str = ""

    @property
    def name(self) -> str:
        """The path as written in a message: `turns[2].calls[0].name`."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")

    @property
    def shown(self) -> str:
        """The refused value, shortened."""
        text = repr(self.value)
        return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"

    def __str__(self) -> str:
        match self.kind:
            case "missing":
                return f"{self.name} is missing"
            case "unknown":
                return f"an unknown field: {self.name}"
            case "rule":
                return f"{self.name}: {self.wanted}" if self.path else self.wanted
        return f"{self.name or 'the value'} is {self.shown}, not {self.wanted}"


class InvalidFieldsError(ValueError):
    """Raised for a value with one or more refused fields; its text is the first of `errors`."""

    def __init__(self, *errors: FieldError) -> None:
        self.errors = errors
        super().__init__(str(errors[0]))


def validate(kind: type[T], value: Any) -> T:
    """Return the instance of the pydantic dataclass `kind` that `value` holds. Raise InvalidFieldsError."""
    try:
        return adapter_of(kind).validate_python(value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise InvalidFieldsError(*(_field_error(detail, schema_of(kind)) for detail in details)) from None


@lru_cache
def adapter_of(kind: type[T]) -> TypeAdapter[T]:
    """Return the validator and serializer of the pydantic dataclass `kind`."""
    return TypeAdapter(kind)


@lru_cache
def schema_of(kind: type) -> Schema:
    """Return the JSON Schema of the pydantic dataclass `kind`."""
    return adapter_of(kind).json_schema()


def describe(schema: Schema) -> str:
    """Return in words what a JSON Schema accepts: `a whole number from 1 to 512`, `one of f16, q8_0`."""
    if "anyOf" in schema:
        return " or ".join(describe(one) for one in schema["anyOf"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"])
    match schema.get("type"):
        case "integer":
            return _bounded("a whole number", schema)
        case "number":
            return _bounded("a number", schema)
        case "boolean":
            return "true or false"
        case "array":
            return "a list that is not empty" if schema.get("minItems") else "a list"
        case "string" if "pattern" in schema:
            return f"text that matches {schema['pattern']}"
        case "string":
            return "text that is not empty" if schema.get("minLength") else "text"
        case "null":
            return "null"
    return "an object"


def _bounded(what: str, schema: Schema) -> str:
    least, most, above = (schema.get(key) for key in ("minimum", "maximum", "exclusiveMinimum"))
    if least is not None and most is not None:
        return f"{what} from {_number(least)} to {_number(most)}"
    if least is not None:
        return f"{what} of at least {_number(least)}"
    if above is not None:
        return f"{what} above {_number(above)}"
    return what if most is None else f"{what} of at most {_number(most)}"


def _number(value: float) -> str:
    return str(int(value) if value == int(value) else value)


def _field_error(detail: ErrorDetails, schema: Schema) -> FieldError:
    path, node = _locate(schema, detail["loc"])
    kind, value = detail["type"], detail["input"]
    if kind == "missing":
        return FieldError("missing", path)
    if kind in _UNKNOWN:
        return FieldError("unknown", path)
    if kind == "value_error":
        error = detail.get("ctx", {})["error"]
        if isinstance(error, MissingKeyError):
            return FieldError("missing", (*path, error.key))
        return FieldError("rule", path, value, str(error))
    if kind.startswith("union_tag") and isinstance(value, Mapping):
        tag = node["discriminator"]["propertyName"]
        if tag not in value:
            return FieldError("missing", (*path, tag))
        tags = ", ".join(node["discriminator"]["mapping"])
        return FieldError("invalid", (*path, tag), value[tag], f"one of {tags}")
    return FieldError("invalid", path, value, describe(node))


def _locate(root: Schema, location: FieldPath) -> tuple[FieldPath, Schema]:
    """Return the path of the field at pydantic's `location`, and its schema.

    pydantic writes the member of a union into a location; that is not a key of the value, and left out.
    """
    path: FieldPath = ()
    node = _resolved(root, root)
    for part in location:
        if "discriminator" in node:
            node = _resolved({"$ref": node["discriminator"]["mapping"][part]}, root)
            continue
        if "anyOf" in node:
            break
        if isinstance(part, int):
            child = node.get("items", {})
        else:
            other = node.get("additionalProperties")
            child = node.get("properties", {}).get(part, other if isinstance(other, Mapping) else {})
        path, node = (*path, part), _resolved(child, root)
    return path, node


def _resolved(node: Schema, root: Schema) -> Schema:
    """Return `node` with its reference resolved, and without null if that leaves one alternative."""
    if "$ref" in node:
        return root["$defs"][node["$ref"].removeprefix("#/$defs/")]
    options = [one for one in node.get("anyOf", ()) if one.get("type") != "null"]
    return _resolved(options[0], root) if len(options) == 1 else node
