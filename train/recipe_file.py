"""TOML files of typed fields, with `key=value` overrides; errors name the field and the nearest one.

What the fields are is told by a pydantic dataclass, such as `train.recipe.Recipe`.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from agent.errors import InputError
from agent.paths import read_file
from agent.transcript.validation import FieldError, InvalidFieldsError, validate

MAX_RECIPE_BYTES = 64 << 10
"""The longest that ships has 3 kB; for a dotted key tomllib takes time in the square of its length."""

T = TypeVar("T")


def read_fields(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields in a TOML file with `key=value` overrides. Raise InputError on what is wrong."""
    try:
        value = tomllib.loads(read_file(path, MAX_RECIPE_BYTES).decode("utf-8"))
    except FileNotFoundError:
        raise InputError(f"no recipe at {path}", "give the path of a TOML recipe") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", "give the path of a TOML recipe") from None
    except (ValueError, RecursionError) as error:  # ValueError also for a number of too many digits
        raise InputError(f"{path} is not TOML: {error}", "mend that line") from None
    for override in overrides:
        _apply(value, override)
    return value


def _apply(value: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"{override!r} is not key=value", "write for example lora.rank=16")
    try:
        parsed = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        parsed = text
    *tables, name = key.strip().split(".")
    for table in tables:
        value = value.setdefault(table, {})
        if not isinstance(value, dict):
            raise InputError(f"{key}: {table} is not a table", "name a field of the recipe")
    value[name] = parsed


def parse_recipe(kind: type[T], fields: Mapping[str, Any], source: str) -> T:
    """Return the recipe of class `kind` that `fields` hold. Raise InputError naming the first wrong one."""
    try:
        return validate(kind, dict(fields))
    except InvalidFieldsError as invalid:
        # A misspelt key may be why another is missing.
        first = min(invalid.errors, key=lambda error: error.kind != "unknown")
        raise InputError(f"{source}: {_what(first)}", _next_step(kind, first)) from None


def _what(error: FieldError) -> str:
    match error.kind:
        case "unknown":
            return f"unknown field {error.name}"
        case "invalid":
            return f"{error.name} is {error.shown}"
    return str(error)


def _next_step(kind: type, error: FieldError) -> str:
    match error.kind:
        case "unknown":
            return f"the nearest one is {_nearest(kind, error.path)}"
        case "missing":
            return f"add {error.name} = …"
    return f"it must be {'a table' if error.wanted == 'an object' else error.wanted}"


def _nearest(kind: type, path: Sequence[str | int]) -> str:
    """Return the field most similar to an unknown one, as `table.field` if it is in a table."""
    *tables, key = map(str, path)
    for table in tables:
        kind = get_type_hints(kind)[table]
    hints = get_type_hints(kind)
    names = {name: name for name in hints}
    for table, hint in hints.items():
        if dataclasses.is_dataclass(hint):
            names = {one.name: f"{table}.{one.name}" for one in dataclasses.fields(hint)} | names
    return ".".join([*tables, names[difflib.get_close_matches(key, names, n=1, cutoff=0.0)[0]]])
