"""Settings in force: an option of the command line, else the environment, the config file, or a default.

The variable of a setting is `UMI_` and its name in capitals, with `_` for a dot: `UMI_ENGINE_THREADS`. The
commands that have options apply them; this module knows the other three. The tables `keys` and `templates`
are set in the file alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal

from agent.config.file import read_values, write_value
from agent.config.schema import PLACEHOLDER, Config, EngineSettings
from agent.errors import InputError
from agent.llama.binding.measured import forget_measured
from agent.paths import config_path, parse_json
from agent.transcript.validation import InvalidFieldsError, describe, schema_of, validate

TABLES = ("keys", "templates")
"""The tables whose names the user chooses."""
_ENGINE = tuple(f"engine.{field.name}" for field in fields(EngineSettings))
NAMES = (*(f.name for f in fields(Config) if f.name not in ("engine", *TABLES)), *_ENGINE)
"""The names of all settings outside those tables."""

Origin = Literal["environment", "file", "default"]


@dataclass(frozen=True)
class Setting:
    """A setting in force."""

    name: str
    value: Any
    origin: Origin
    description: str
    """What it may be and what it does, in one line; empty for a name of the user's choice."""


def read_config() -> Config:
    """Return the settings in force. Raise InputError naming what is unknown or wrong, and where."""
    values = read_values()
    config = _checked(values, str(config_path()))
    variables = _environment()
    if not variables:
        return config
    merged = {**values, "engine": dict(values.get("engine", {}))}
    for name, text in variables.items():
        _place(merged, name, _value(name, text, variable(name)))
    return _checked(merged, "the environment")


def engine_settings() -> EngineSettings:
    """Return how llama.cpp is to run. Raise InputError as `read_config`."""
    return read_config().engine


def settings_in_force() -> list[Setting]:
    """Return every setting, with where its value comes from. Raise InputError as `read_config`."""
    config, stored, variables = read_config(), read_values(), _environment()
    found: list[Setting] = []
    for name in NAMES:
        value = getattr(config.engine if name in _ENGINE else config, name.removeprefix("engine."))
        origin: Origin = "environment" if name in variables else "file" if _has(stored, name) else "default"
        found.append(Setting(name, value, origin, _description(name)))
    for table in TABLES:
        entries: Mapping[str, str] = getattr(config, table)
        found += [Setting(f"{table}.{key}", value, "file", "") for key, value in sorted(entries.items())]
    return found


def set_value(name: str, text: str) -> None:
    """Set a setting in the file to the value that `text` spells; `default` removes it, also an unknown one.

    Other settings stay as they are, wrong ones too. Where threads are set to auto or removed, they are
    measured again. Raise InputError for an unknown name or a wrong value.
    """
    stored = read_values()
    if not _is_known(name) and not (text == "default" and _has(stored, name)):
        near = get_close_matches(name, [*NAMES, *(one.removeprefix("engine.") for one in _ENGINE)], n=1)
        full = next((one for one in NAMES if near and one in (near[0], f"engine.{near[0]}")), "")
        hint = f"did you mean {full}?" if full else "see `umi config show`"
        raise InputError(f"there is no setting {name}", hint)
    if text == "default":
        write_value(name, None)
    else:
        value = _value(name, text, name)
        if name in _ENGINE:
            _require_compatible(stored, name, value)
        write_value(name, value)
    if name == "engine.threads" and text in ("auto", "default"):
        forget_measured()


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"UMI_{name.upper().replace('.', '_')}"


def expand_template(name: str, text: str) -> str:
    """Return the template `name` with `text` for its placeholder, or behind it where it has none.

    Raise InputError for a name that the config file does not have.
    """
    templates = read_config().templates
    if name not in templates:
        near = get_close_matches(name, templates, n=1)
        hint = (
            f"did you mean {near[0]}?" if near else f'add it: umi config set templates.{name or "NAME"} "…"'
        )
        raise InputError(f"there is no template {name or '(nothing)'}", hint)
    template = templates[name]
    if PLACEHOLDER in template:
        return template.replace(PLACEHOLDER, text)
    return f"{template}\n\n{text}" if text else template


def _environment() -> dict[str, str]:
    """Return the settings that the environment sets; an empty variable sets none."""
    return {name: text for name in NAMES if (text := os.environ.get(variable(name)))}


def _checked(values: Mapping[str, Any], where: str) -> Config:
    try:
        return validate(Config, values)
    except InvalidFieldsError as invalid:
        error = invalid.errors[0]
        if error.kind == "unknown":
            hint = f"remove it: umi config set {error.name} default; there are {', '.join(NAMES)}"
        else:
            hint = f"set it right: umi config set {error.name} VALUE"
        raise InputError(f"{where}: {error}", hint) from None


def _value(name: str, text: str, shown: str) -> Any:
    """Return the value that `text` spells. Raise InputError, which names the setting `shown`, if wrong."""
    try:
        parsed = parse_json(text)
    except ValueError:
        parsed = text
    candidates = [parsed, text] if isinstance(parsed, (int, bool)) else [text]
    error = ""
    for value in candidates:
        tree: dict[str, Any] = {}
        _place(tree, name, value)
        try:
            validate(Config, tree)
        except InvalidFieldsError as invalid:
            error = error or f"{shown} is {invalid.errors[0].shown}; give {invalid.errors[0].wanted}"
        else:
            return value
    raise InputError(error)


def _require_compatible(stored: Mapping[str, Any], name: str, value: Any) -> None:
    """Raise InputError where an engine setting cannot stand beside the valid ones of the file."""
    table = stored.get("engine")
    current = {
        key: known
        for key, known in (table.items() if isinstance(table, Mapping) else ())
        if f"engine.{key}" in _ENGINE and f"engine.{key}" != name and _is_valid(f"engine.{key}", known)
    }
    validate(EngineSettings, {**current, name.removeprefix("engine."): value})


def _is_valid(name: str, value: Any) -> bool:
    tree: dict[str, Any] = {}
    _place(tree, name, value)
    try:
        validate(Config, tree)
    except (InvalidFieldsError, InputError):
        return False
    return True


def _is_known(name: str) -> bool:
    table, dot, key = name.partition(".")
    return name in NAMES or (table in TABLES and bool(dot) and bool(key))


def _has(values: Mapping[str, Any], name: str) -> bool:
    table, dot, key = name.partition(".")
    return key in values[table] if dot and isinstance(values.get(table), Mapping) else name in values


def _place(values: dict[str, Any], name: str, value: Any) -> None:
    table, dot, key = name.partition(".")
    if dot:
        values.setdefault(table, {})[key] = value
    else:
        values[name] = value


def _description(name: str) -> str:
    kind = EngineSettings if name in _ENGINE else Config
    schema = schema_of(kind)["properties"][name.removeprefix("engine.")]
    return f"{describe(schema)}. {schema['description']}"
