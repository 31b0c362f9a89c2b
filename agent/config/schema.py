"""The fields of the config file, each with its type, bounds, default and description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, StrictBool, StrictInt, StringConstraints
from pydantic.dataclasses import dataclass

from agent.errors import InputError
from agent.tools import BUILTIN_NAMES, OPTIONAL_NAMES

CacheType = Literal["f32", "f16", "q8_0"]
Switch = Literal["auto", "on", "off"]
ThemeName = Literal["dark", "light", "high-contrast"]
THEME_NAMES: tuple[ThemeName, ...] = get_args(ThemeName)

PLACEHOLDER = "{input}"
"""What stands in a template for the text given with it."""

_TOOL = f"({'|'.join(OPTIONAL_NAMES)})"
_TOOL_LIST = rf"^({_TOOL}( *, *{_TOOL})*)?$"
BUILTIN = "builtin"
"""What stands for the built-in tools among pinned ones."""
_PINNED = r"^([\w-]+( *, *[\w-]+)*)?$"
_CONFIG = ConfigDict(extra="forbid", use_attribute_docstrings=True)
_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000)]
"""Of at most 4,000 characters, about 1,000 tokens: half of the smallest context that is shipped."""


@dataclass(frozen=True, config=_CONFIG)
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
    """Guess tokens that very probably come next and check several at once; the output is the same."""
    read_ahead: Switch = "auto"
    """Read a question in the app while it is typed; auto is off while the machine runs on its battery."""
    disk: StrictBool = True
    """Keep what was computed of tool lists and conversations on disk for the next process."""

    def __post_init__(self) -> None:
        if self.cache == "q8_0" and self.flash_attention == "off":
            raise InputError("a q8_0 cache needs flash attention", "set flash_attention to auto or on")


@dataclass(frozen=True, config=_CONFIG)
class Config:
    """The user's settings. The tables `keys` and `templates` hold names of the user's choice."""

    models: str = ""
    """The bundle that runs, a name or a folder; empty is the one that came with umi."""
    max_steps: Annotated[StrictInt, Field(ge=1, le=100)] = 8
    """Steps of one turn that call tools, at most."""
    persona: _Text = ""
    """A standing instruction that the models read before every conversation."""
    extra_tools: Annotated[str, StringConstraints(pattern=_TOOL_LIST)] = ""
    """Tools to offer beside the usual ones, separated by commas."""
    pinned_tools: Annotated[str, StringConstraints(pattern=_PINNED)] = BUILTIN
    """Tools that are on offer in any case where more exist than fit; builtin stands for those of umi."""
    code_writes: StrictBool = False
    """Let run_python and run_command change files of the workspace; each call still asks."""
    theme: ThemeName = "dark"
    """Colours of the app."""
    log: str = ""
    """The log file; empty is umi.log among umi's data, off writes none."""
    log_content: StrictBool = False
    """Write the texts of questions and of exceptions into the log file too."""
    engine: EngineSettings = field(default_factory=EngineSettings)
    """How llama.cpp runs."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys of the app by the name of what they do, several separated by commas."""
    templates: Mapping[str, _Text] = field(default_factory=dict)
    """Texts by name, each a question in which {input} stands for what is given with it."""

    @property
    def switched_on(self) -> tuple[str, ...]:
        """The names in `extra_tools`."""
        return _names(self.extra_tools)

    @property
    def pinned(self) -> tuple[str, ...]:
        """The names in `pinned_tools`, with those of the built-in tools in place of the word for them."""
        names: list[str] = []
        for name in _names(self.pinned_tools):
            names += BUILTIN_NAMES if name == BUILTIN else [name]
        return tuple(dict.fromkeys(names))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
