"""Rows as JSON objects of schema 1, where a row's fields and its transcript's stand side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent.transcript.turns import Row, Transcript
from agent.transcript.validation import FieldError, InvalidFieldsError, adapter_of, validate

SCHEMA = 1
_BESIDE = ("schema", "id", "source", "split", "meta")
"""The keys of a row's object that are not its transcript's."""


def transcript_to_json(transcript: Transcript) -> dict[str, Any]:
    """Return `transcript` as its part of a schema-1 object; an empty instruction is left out."""
    value = adapter_of(Transcript).dump_python(transcript)
    instruction = value.pop("instruction")
    return {"instruction": instruction, **value} if instruction else value


def row_to_json(row: Row) -> dict[str, Any]:
    """Return `row` as a schema-1 object; an empty instruction and empty `meta` are left out."""
    value: dict[str, Any] = {"schema": SCHEMA, "id": row.id, "source": row.source, "split": row.split}
    conversation = transcript_to_json(row.transcript)
    if "instruction" in conversation:
        value["instruction"] = conversation.pop("instruction")
    if row.meta:
        value["meta"] = dict(row.meta)
    return value | conversation


def row_from_json(value: Mapping[str, Any]) -> Row:
    """Return the row in a schema-1 object. Raise InvalidFieldsError with every field that is wrong."""
    if value.get("schema") != SCHEMA:
        raise InvalidFieldsError(FieldError("invalid", ("schema",), value.get("schema"), str(SCHEMA)))
    row = {key: value[key] for key in _BESIDE[1:] if key in value}
    row["transcript"] = {key: item for key, item in value.items() if key not in _BESIDE}
    errors = [FieldError("missing", (key,)) for key in ("tools", "turns") if key not in value]
    try:
        valid = validate(Row, row)
    except InvalidFieldsError as invalid:
        raise InvalidFieldsError(*errors, *map(_flat, invalid.errors)) from None
    if errors:
        raise InvalidFieldsError(*errors)
    return valid


def _flat(error: FieldError) -> FieldError:
    return replace(error, path=error.path[1:]) if error.path[:1] == ("transcript",) else error
