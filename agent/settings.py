"""The user's settings of llama.cpp in `settings.json`, each with a tested default.

{"engine": {"threads": 4, "gpu_layers": "auto", "cache": "q8_0", "flash_attention": "auto"}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictInt
from pydantic.dataclasses import dataclass

from agent.errors import InputError
from agent.llama.binding.threads import forget_threads
from agent.paths import parse_json, read_json, settings_path, write_private
from agent.transcript.validation import InvalidFields, describe, schema_of, validate

CacheType = Literal["f32", "f16", "q8_0"]
Switch = Literal["auto", "on", "off"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", use_attribute_docstrings=True))
class EngineSettings:
    """How llama.cpp runs. llama.cpp takes any 32-bit number of threads, and starts that many."""

    threads: Literal["auto"] | Annotated[StrictInt, Field(ge=1, le=512)] = "auto"
    """Processor threads; auto is measured at the next run and remembered, and again where it is set."""
    gpu_layers: Literal["auto"] | Annotated[StrictInt, Field(ge=0, le=10_000)] = "auto"
    """Layers computed on a GPU; auto is all where llama.cpp was built for one, else none."""
    cache: CacheType = "f16"
    """Number format of the key-value cache; q8_0 halves its memory, f32 is for comparisons."""
    flash_attention: Switch = "auto"
    """Attention without the whole score matrix; a q8_0 cache needs it, auto is off where that is faster."""
    speculate: StrictBool = True
    """Guess what is copied from the prompt and check several tokens at once; the output is the same."""
    disk: StrictBool = True
    """Keep what was computed of tool lists on disk for the next process."""

    def __post_init__(self) -> None:
        if self.cache == "q8_0" and self.flash_attention == "off":
            raise InputError("a q8_0 cache needs flash attention", "set flash_attention to auto or on")


NAMES = tuple(field.name for field in fields(EngineSettings))


def setting_descriptions() -> dict[str, str]:
    """For each setting, what it may be and what it does, in one line."""
    properties = schema_of(EngineSettings)["properties"]
    return {name: f"{describe(properties[name])}. {properties[name]['description']}" for name in NAMES}


def read_settings() -> dict[str, Any]:
    """The user's settings as they are on disk. Raises InputError where the file is damaged."""
    path = settings_path()
    try:
        value = read_json(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "make it readable") from None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InputError(f"{path} is damaged", "set it right with: umi models use umi-mini")
    return value


def change_settings(**changes: Any) -> None:
    """Write settings; a damaged file is renamed first. Raises InputError where the file cannot be written."""
    path = settings_path()
    try:
        try:
            settings = read_settings()
        except InputError:
            path.replace(path.with_suffix(".json.damaged"))
            settings = {}
        write_private(path, json.dumps(settings | changes, ensure_ascii=False, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}", "make its folder writable") from None


def engine_settings() -> EngineSettings:
    """The user's engine settings. Raises InputError naming one that is unknown or has a wrong value."""
    value = read_settings().get("engine", {})
    if not isinstance(value, Mapping) or set(value) - set(NAMES):
        unknown = ", ".join(sorted(set(value) - set(NAMES))) if isinstance(value, Mapping) else str(value)
        unknown = unknown if unknown.isprintable() else ascii(unknown)
        raise InputError(
            f"{settings_path()}: engine has {unknown[:200]}",
            f"it knows {', '.join(NAMES)}; any `umi settings set NAME VALUE` mends it",
        )
    return _validated(value)


def set_engine(name: str, text: str) -> EngineSettings:
    """Set one engine setting to the value that `text` spells; `default` removes it, also an unknown one.

    Other settings that are damaged are dropped, and threads set to auto are measured again. Raises InputError
    for an unknown name or a wrong value.
    """
    stored = _stored()
    if name not in NAMES and not (text == "default" and name in stored):
        raise InputError(f"there is no setting {name}", f"there are {', '.join(NAMES)}")
    current = {known: value for known, value in stored.items() if known != name and _is_valid(known, value)}
    if text != "default":
        current[name] = _parsed(text)
    settings = _validated(current)
    change_settings(engine=current)
    if name == "threads" and settings.threads == "auto":
        forget_threads()
    return settings


def _validated(values: Mapping[str, Any]) -> EngineSettings:
    try:
        return validate(EngineSettings, values)
    except InvalidFields as invalid:
        first = invalid.errors[0]
        raise InputError(f"{first.name} is {first.shown}", f"give {first.wanted}") from None


def _stored() -> Mapping[str, Any]:
    """The engine's settings as they are on disk; empty where the file or the table is damaged."""
    try:
        value = read_settings().get("engine", {})
    except InputError:
        return {}
    return value if isinstance(value, Mapping) else {}


def _is_valid(name: str, value: Any) -> bool:
    try:
        _validated({name: value})
    except InputError:
        return False
    return True


def _parsed(text: str) -> Any:
    try:
        value = parse_json(text)
    except ValueError:
        return text
    return value if isinstance(value, (int, bool)) else text
