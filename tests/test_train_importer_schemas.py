"""Tools and arguments as others write them, made JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest
from foreign import (
    TEXT,
)

from agent.transcript.formats.coercion import coerce
from agent.transcript.formats.schemas import parameters_of, type_of


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("str", TEXT),
        ("String", TEXT),
        ("int, optional", {"type": "integer"}),
        ("Optional[float]", {"type": "number"}),
        ("List[int]", {"type": "array", "items": {"type": "integer"}}),
        ("List[Dict[str, int]]", {"type": "array", "items": {"type": "object"}}),
        ("Tuple[int, str]", {"type": "array"}),
        ("Dict[str, int]", {"type": "object"}),
        ("Union[int, float]", {"type": ["integer", "number"]}),
        ("int | None", {"type": ["integer", "null"]}),
        ("string[]", {"type": "array", "items": TEXT}),
        ("any", {}),
        ("numpy.ndarray", {}),
    ],
)
def test_names_of_types(name: str, schema: dict[str, Any]) -> None:
    assert type_of(name) == schema


@pytest.mark.parametrize(
    ("given", "schema"),
    [
        (None, {"properties": {}}),
        ({"type": "object"}, {"properties": {}}),
        ({"city": "str"}, {"properties": {"city": TEXT}, "required": ["city"]}),
        ({"type": "object", "properties": {"city": "string"}}, {"properties": {"city": TEXT}}),
        (
            {"type": {"type": "str"}, "properties": {"type": "int"}},
            {
                "properties": {"type": TEXT, "properties": {"type": "integer"}},
                "required": ["type", "properties"],
            },
        ),
        (
            {"type": "dict", "properties": {"a": {"type": "tuple", "items": "float", "required": True}}},
            {"properties": {"a": {"type": "array", "items": {"type": "number"}}}, "required": ["a"]},
        ),
        (
            {"properties": {"a": {"type": "array", "enum": ["x"], "items": TEXT}}, "required": ["b"]},
            {"properties": {"a": {"type": "array", "items": {"type": "string", "enum": ["x"]}}}},
        ),
        (
            {"properties": {"a": {"type": "string", "nullable": True, "exclusiveMinimum": True}}},
            {"properties": {"a": {"type": ["string", "null"]}}},
        ),
    ],
)
def test_parameters_become_json_schema(given: Any, schema: dict[str, Any]) -> None:
    assert parameters_of(given) == {"type": "object", **schema}


def test_arguments_are_respelled_only_where_nothing_is_lost() -> None:
    schema = parameters_of(
        {
            "type": "object",
            "properties": {
                "n": {"type": "integer"},
                "x": {"type": "number"},
                "s": TEXT,
                "b": {"type": "boolean"},
                "l": {"type": "array", "items": {"type": "integer"}},
                "o": {"type": "object"},
                "gone": TEXT,
            },
        }
    )
    given = {"n": "5", "x": "0.5", "s": 12, "b": "true", "l": '["1", 2.0]', "o": '{"a": 1}', "gone": None}
    wanted = {"n": 5, "x": 0.5, "s": "12", "b": True, "l": [1, 2], "o": {"a": 1}}
    assert coerce(given, schema) == wanted
    kept = {"n": "007", "x": "1e3", "s": True, "b": 1, "l": "1,2", "o": "{a}"}
    assert coerce(kept, schema) == kept
