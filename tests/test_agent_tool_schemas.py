"""JSON Schemas of tool servers made fit: grammars can be made of them, and they stay short."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llguidance import LLMatcher

from agent.llama.grammar.calls import caller_grammar
from agent.mcp.schema import MAX_SCHEMA, UnfitSchemaError, fitted, without_patterns
from agent.transcript import ToolSpec


def compiles(parameters: dict[str, Any]) -> bool:
    return LLMatcher.validate_grammar(caller_grammar([ToolSpec("t", "", parameters)]), None) == ""


def of(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"value": value}, **more}


def value(schema: dict[str, Any]) -> Any:
    """What became of the parameter `value`."""
    return fitted(schema)["properties"]["value"]


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ({"type": ["string", "null"], "title": "Value", "default": None}, {"type": "string"}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "x"}, {"type": "integer"}),
        (
            {"oneOf": [{"type": "integer"}, {"const": "all"}]},
            {"anyOf": [{"type": "integer"}, {"enum": ["all"]}]},
        ),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"enum": ["a", None, 3]}, {"enum": ["a", 3]}),
        ({"type": "integer", "minimum": 1, "exclusiveMaximum": True}, {"type": "integer", "minimum": 1}),
        ({"type": "integer", "minimum": 5, "maximum": 1}, {"type": "integer"}),
        ({"type": "string", "maxLength": 10**9, "minLength": -1}, {"type": "string"}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "string", "format": "color", "contentEncoding": "base64"}, {"type": "string"}),
        ({"type": "array", "items": [{"type": "string"}]}, {"type": "array"}),
        (
            {"type": "array", "items": {"type": "number"}, "uniqueItems": True},
            {"type": "array", "items": {"type": "number"}},
        ),
        ({"not": {"type": "string"}, "if": {}, "then": {}}, {}),
        ({"$ref": "#/$defs/point"}, {"type": "object", "properties": {"x": {"type": "number"}}}),
        ({"$ref": "#/nothing"}, {}),
        ({"$ref": "https://example.org/schema"}, {}),
        ({"$ref": "#/$defs/loop"}, {}),
        (
            {"allOf": [{"$ref": "#/$defs/point"}, {"required": ["x"]}]},
            {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "string"}},
        ),
        (True, {}),
        ("string", {}),
        ({"type": "string", "description": "a\x1b[2J\nb " + "c" * 500}, {"type": "string"}),
    ],
)
def test_what_becomes_of_a_parameter(given: Any, becomes: Any) -> None:
    definitions = {
        "point": {"type": "object", "properties": {"x": {"type": "number", "title": "X"}}},
        "loop": {"$ref": "#/$defs/loop"},
    }
    schema = of(given, **{"$defs": definitions, "$schema": "x"})
    found = value(schema)
    said = found.pop("description", "")
    assert found == becomes
    assert len(said) <= 160
    assert said.isprintable()
    assert compiles(fitted(schema))


def test_a_recursive_schema_ends() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    assert compiles(fitted(tree))


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (3, "no JSON Schema"),
        ({"type": "array"}, "no object"),
        ({"anyOf": [{"type": "object"}, {"type": "string"}]}, "no object"),
        (of({}, required=["value"], properties={"va\x1blue": {}}), "cannot be shown"),
        ({"type": "object", "required": [f"p{n}" for n in range(50)]}, "needs 50 parameters"),
        (of({"enum": ["x" * 150 + str(n) for n in range(100)]}, required=["value"]), "characters"),
    ],
)
def test_what_cannot_be_made_fit(schema: Any, why: str) -> None:
    with pytest.raises(UnfitSchemaError, match=why):
        fitted(schema)


def test_a_long_schema_loses_descriptions_and_then_optional_parameters() -> None:
    described = {f"p{n}": {"type": "string", "description": "words " * 30} for n in range(38)}
    found = fitted({"type": "object", "properties": described})
    assert len(found["properties"]) == 38
    assert len(json.dumps(found)) <= MAX_SCHEMA
    long = {f"p{n}": {"enum": ["y" * 190 + str(k) for k in range(5)]} for n in range(38)}
    found = fitted({"type": "object", "properties": long, "required": ["p3"]})
    assert list(found["properties"]) == ["p3"]
    many = {f"p{n}": {"type": "string"} for n in range(60)}
    assert list(fitted({"type": "object", "properties": many, "required": ["p9"]})["properties"]) == ["p9"]


def test_a_required_parameter_that_is_not_described_can_be_given() -> None:
    assert fitted({"required": ["a"]}) == {"type": "object", "properties": {"a": {}}, "required": ["a"]}


def test_patterns_are_left_out_where_a_parameter_is_called_so() -> None:
    schema = {"type": "object", "properties": {"pattern": {"type": "string", "pattern": "^a"}}}
    assert without_patterns(fitted(schema)) == {
        "type": "object",
        "properties": {"pattern": {"type": "string"}},
    }
