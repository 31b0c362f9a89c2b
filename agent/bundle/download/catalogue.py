"""The catalogue of bases: the pretrained models that `umi models pull NAME` knows, and their sources."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictInt
from pydantic.dataclasses import dataclass

from agent.errors import InputError
from agent.transcript.validation import validate

CATALOGUE = Path(__file__).with_name("catalogue.toml")

License = Literal["Apache-2.0", "BSD-3-Clause", "MIT"]
"""The licences of catalogued bases: each allows to change and to pass on the weights."""
SourceName = Literal["index", "hub"]
"""The Python package index, the Hugging Face Hub."""

_CONFIG = ConfigDict(use_attribute_docstrings=True, extra="forbid")
_FileName = Annotated[str, Field(pattern=r"^[\w-][\w.-]*\.gguf$")]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Size = Annotated[StrictInt, Field(gt=0)]


@dataclass(frozen=True, config=_CONFIG)
class IndexSource:
    """A wheel on the Python package index that contains the file."""

    package: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """Name of the package."""
    version: Annotated[str, Field(pattern=r"^[0-9][0-9a-z.]*$")]
    """Its version."""
    member: Annotated[str, Field(min_length=1)]
    """Path of the file in the wheel."""
    size: _Size
    """Size of the wheel in bytes."""

    def __str__(self) -> str:
        return f"{self.package} {self.version} on the package index"


@dataclass(frozen=True, config=_CONFIG)
class HubSource:
    """A model repository on the Hugging Face Hub that contains the file."""

    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    """OWNER/NAME."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    """The commit; None takes the one that the main branch is at."""


@dataclass(frozen=True, config=_CONFIG)
class CataloguedBase:
    """A base that can be pulled."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    """The name to pull it by."""
    description: str
    """The model and its languages, in a line."""
    license: License
    """Of the weights (SPDX identifier)."""
    type: Literal["Q4_1", "Q8_0", "Q4_K_M"]
    """The number format of most of its weights."""
    parameters: _Size
    """Number of weights, rounded."""
    file: _FileName
    """Name of the GGUF file, on the hub and here."""
    size: _Size
    """Size of the file in bytes; rounded if there is no `sha256`."""
    tried: StrictBool
    """Whether umi was run on this very file."""
    sha256: _Sha256 | None = None
    """Hash of the file; None accepts the file that the hub states the hash of."""
    index: IndexSource | None = None
    """Where the package index has it."""
    hub: HubSource | None = None
    """Where the hub has it."""

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError(f"{self.name} has no source")
        if self.sha256 is None and (self.tried or self.index):
            raise ValueError(f"{self.name} has no sha256")

    @property
    def sources(self) -> tuple[SourceName, ...]:
        """The sources that have it, in the order in which they are asked."""
        names: tuple[SourceName, ...] = ("index", "hub")
        return tuple(name for name in names if getattr(self, name))


@dataclass(frozen=True, config=_CONFIG)
class Catalogue:
    """The content of `catalogue.toml`."""

    base: tuple[CataloguedBase, ...]
    """All bases, in the order in which they are shown."""


def read_catalogue() -> tuple[CataloguedBase, ...]:
    """Return the bases of the catalogue that the package contains."""
    return validate(Catalogue, tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))).base


def find_in_catalogue(name: str) -> CataloguedBase:
    """Return the base of that name. Raise InputError, with the nearest name, if there is none."""
    bases = {base.name: base for base in read_catalogue()}
    if name in bases:
        return bases[name]
    near = difflib.get_close_matches(name, bases, n=1)
    guess = f"did you mean {near[0]}? see" if near else "see"
    raise InputError(
        f"the catalogue has no base named {name or '(nothing)'}",
        f"{guess}: umi models catalogue; a bundle of the hub is named OWNER/NAME",
    )
