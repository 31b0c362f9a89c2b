"""How models are computed: the user's choices in `settings.json`, each with a tested default.

{"engine": {"threads": 4, "gpu_layers": "auto", "cache": "q8_0", "flash_attention": "auto"}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from agent.errors import InputError
from agent.llama.threads import forget_threads
from agent.paths import settings_path, write_atomically

CacheType = Literal["f32", "f16", "q8_0"]
Switch = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class EngineSettings:
    """How llama.cpp runs."""

    threads: int | Literal["auto"] = "auto"
    """Threads of the processor; `auto` is measured at the first run and remembered."""
    gpu_layers: int | Literal["auto"] = "auto"
    """Layers computed on a GPU; `auto` is all where llama.cpp was built for one, else none."""
    cache: CacheType = "f16"
    """Numbers in the key-value cache: q8_0 halves its memory, f32 is for comparisons."""
    flash_attention: Switch = "auto"
    """Attention without the whole score matrix: a q8_0 cache needs it; `auto` is off where that is faster."""
    speculate: bool = True
    """Guess what the summarizer copies from the prompt and how the caller's JSON goes on, and check several
    tokens at once. What is written stays the same."""
    disk: bool = True
    """Keep what was computed of tool lists on disk, so that a new process does not read them again."""

    def __post_init__(self) -> None:
        # llama.cpp takes any number of 32 bits, and starts as many threads.
        for name, low, high in (("threads", 1, 512), ("gpu_layers", 0, 10_000)):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if value != "auto" and not (whole and low <= value <= high):
                raise InputError(f"{name} is {value!r}", f"give auto or a whole number from {low} to {high}")
        for name, choices in (("cache", get_args(CacheType)), ("flash_attention", get_args(Switch))):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} is {getattr(self, name)!r}", f"give one of {', '.join(choices)}")
        for name in ("speculate", "disk"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} is {getattr(self, name)!r}", "give true or false")
        if self.cache == "q8_0" and self.flash_attention == "off":
            raise InputError("a q8_0 cache needs flash attention", "set flash_attention to auto or on")


CHOICES = {
    "threads": "auto (measured at the next run and remembered; set it to measure again), or a number",
    "gpu_layers": "auto (all, where llama.cpp was built for a GPU), or a number of layers",
    "cache": "f16, q8_0 (half the memory), f32",
    "flash_attention": "auto, on, off",
    "speculate": "true, false: guess what is copied from the prompt, and check several tokens at once",
    "disk": "true, false: keep what was computed of tool lists for the next process",
}
"""What each setting may be, for people."""
NAMES = tuple(field.name for field in fields(EngineSettings))


def read_settings() -> dict[str, Any]:
    """The user's settings as they are on disk. Raises InputError where the file is damaged."""
    path = settings_path()
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
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
    """Write settings; what is damaged is set aside. Raises InputError where the file cannot be written."""
    path = settings_path()
    try:
        try:
            settings = read_settings()
        except InputError:
            path.replace(path.with_suffix(".json.damaged"))
            settings = {}
        write_atomically(path, json.dumps(settings | changes, ensure_ascii=False, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}", "make its folder writable") from None


def engine_settings() -> EngineSettings:
    """The user's engine settings. Raises InputError naming one that is unknown or of the wrong kind."""
    value = read_settings().get("engine", {})
    if not isinstance(value, Mapping) or set(value) - set(NAMES):
        unknown = ", ".join(sorted(set(value) - set(NAMES))) if isinstance(value, Mapping) else value
        raise InputError(
            f"{settings_path()}: engine has {unknown}",
            f"it knows {', '.join(NAMES)}; any `umi settings set NAME VALUE` mends it",
        )
    return EngineSettings(**value)


def set_engine(name: str, text: str) -> EngineSettings:
    """Change one engine setting, as typed; `default` takes it back, also one that nobody knows.

    What else is damaged in the settings is dropped, and threads that are measured are measured again. Raises
    InputError for what is wrong.
    """
    found = _found()
    if name not in NAMES and not (text == "default" and name in found):
        raise InputError(f"there is no setting {name}", f"there are {', '.join(NAMES)}")
    current = {known: value for known, value in found.items() if known != name and _holds(known, value)}
    if text != "default":
        current[name] = _typed(text)
    settings = EngineSettings(**current)
    change_settings(engine=current)
    if name == "threads" and settings.threads == "auto":
        forget_threads()
    return settings


def _found() -> Mapping[str, Any]:
    """The engine's settings as they are on disk; nothing where they are damaged as a whole."""
    try:
        value = read_settings().get("engine", {})
    except InputError:
        return {}
    return value if isinstance(value, Mapping) else {}


def _holds(name: str, value: Any) -> bool:
    try:
        EngineSettings(**{name: value})
    except (InputError, TypeError):
        return False
    return True


def _typed(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (int, bool)) else text
