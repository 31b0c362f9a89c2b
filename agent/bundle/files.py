"""The files that a manifest names: their names, hashes and sizes, each checked."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, StrictInt
from pydantic.dataclasses import dataclass

CONFIG = ConfigDict(allow_inf_nan=False, defer_build=True)
_LONGEST_NAME = 255
"""Bytes of a file's name, on the file systems in use."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def _file_name(value: str) -> str:
    # A bundle may come from anyone: its files are its own, never some other path of this machine.
    if value != Path(value).name or value in ("", ".", ".."):
        raise ValueError("it is not the name of a file beside it")
    if not value.isprintable() or len(os.fsencode(value)) > _LONGEST_NAME:
        raise ValueError(f"{value[:60]!r} is not a name of a model file")
    return value


@dataclass(frozen=True, config=CONFIG)
class BundleFile:
    """A file in the bundle's folder."""

    magic: ClassVar[bytes]
    """Its first bytes."""
    kind: ClassVar[str]
    """What it is called in messages."""

    file: Annotated[str, AfterValidator(_file_name)]
    """Its name, without folders."""
    sha256: str
    """Hash of its content, in hexadecimal."""
    size: StrictInt
    """In bytes."""


@dataclass(frozen=True, config=CONFIG)
class GgufFile(BundleFile):
    """A GGUF file."""

    magic = b"GGUF"
    kind = "GGUF file"


@dataclass(frozen=True, config=CONFIG)
class TableFile(BundleFile):
    """An n-gram table of a role's turns (`agent.llama.drafting.ngram_table`)."""

    magic = b"UMIN"
    kind = "table of n-grams"


@dataclass(frozen=True, config=CONFIG)
class BaseFile(GgufFile):
    """The GGUF file that deltas are added to; it lies among the user's bases, not in the bundle."""

    name: Annotated[str, AfterValidator(_file_name)] = ""
    """The base in the catalogue of models, or what its folder is called."""
    repository: str = ""
    """OWNER/NAME on the Hugging Face hub that has the file, where it is known."""
    revision: str = ""
    """The commit of the repository."""

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256) or self.size < 1:
            raise ValueError("a base has a sha256 and a size")
        if self.file.startswith(".") or self.name.startswith("."):
            raise ValueError("the name of a base begins with a dot")
        if bool(self.repository) != bool(self.revision) or (
            self.revision and not _COMMIT.fullmatch(self.revision)
        ):
            raise ValueError("a repository is named with the commit that has the base")
