"""The bases that the user pulled: a folder each, with a GGUF file and `base.json`, which says what it is.

The record is written before the folder gets its name, so a folder that is found by name is complete.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from pydantic import ConfigDict, StrictInt
from pydantic.dataclasses import dataclass

from agent.errors import InputError
from agent.paths import bases_folder, read_json, sha256_of
from agent.transcript.validation import InvalidFieldsError, validate

RECORD = "base.json"


@dataclass(frozen=True, config=ConfigDict(use_attribute_docstrings=True))
class InstalledBase:
    """A base in the user's folder."""

    name: str
    """Its name in the catalogue."""
    file: str
    """Name of the GGUF file."""
    size: StrictInt
    """Size of the file in bytes."""
    sha256: str
    """Hash of the file, in hexadecimal."""
    license: str
    """Of the weights (SPDX identifier)."""
    source: str
    """Where it came from, version or commit included."""

    @property
    def path(self) -> Path:
        """The GGUF file."""
        return base_folder(self.name) / self.file


def base_folder(name: str) -> Path:
    """Return the folder of a base. It need not exist."""
    return bases_folder() / name


def partial_base_folder(name: str) -> Path:
    """Return the folder of a base that is being pulled or removed."""
    return bases_folder() / f".{name}.part"


def base_names() -> list[str]:
    """Return the names of the bases that were pulled, sorted. Their files are not checked."""
    return sorted(path.parent.name for path in bases_folder().glob(f"[!.]*/{RECORD}"))


def find_base(name: str, *, verify: bool = False) -> InstalledBase:
    """Return a base that was pulled; its size is checked, with `verify` its hash too.

    Raise InputError if it is missing or damaged.
    """
    pulling = f"get it with: umi models pull {name}"
    path = base_folder(name) / RECORD
    if name not in base_names():
        raise InputError(f"there is no base named {name or '(nothing)'} on this machine", pulling)
    try:
        base = validate(InstalledBase, read_json(path))
        if (base.name, base.file) != (name, Path(base.file).name):
            raise InputError(f"{path} is damaged: it describes {base.name}/{base.file}", pulling)
        if base.path.stat().st_size != base.size or (verify and sha256_of(base.path) != base.sha256):
            raise InputError(f"{base.path} is damaged: it is not the file that was pulled", pulling)
    except FileNotFoundError as error:
        raise InputError(f"{error.filename} is missing", pulling) from None
    except OSError as error:
        raise InputError(f"cannot read {error.filename or path}: {error.strerror}", pulling) from None
    except InvalidFieldsError as error:
        raise InputError(f"{path} is damaged: {error}", pulling) from None
    except ValueError:
        raise InputError(f"{path} is damaged: it is not JSON", pulling) from None
    return base


def write_record(folder: Path, base: InstalledBase) -> None:
    """Write the record of `base` in `folder`. Raise OSError if it cannot be written."""
    text = json.dumps(asdict(base), ensure_ascii=False, indent=2)
    (folder / RECORD).write_text(f"{text}\n", encoding="utf-8")


def removable_base_folders(name: str) -> list[Path]:
    """Return the folders that `remove_base` deletes: a base and its unfinished download; none if unknown."""
    if name in ("", ".", "..") or name != Path(name).name:
        return []
    return [path for path in (base_folder(name), partial_base_folder(name)) if path.is_dir()]


def remove_base(name: str) -> None:
    """Delete a base and its unfinished download. Raise InputError if a file cannot be deleted."""
    folder, part = base_folder(name), partial_base_folder(name)
    try:
        if part.exists():
            shutil.rmtree(part)
        if folder.exists():
            folder.rename(part)  # first, so that no incomplete base is ever found by name
            shutil.rmtree(part)
    except OSError as error:
        raise InputError(
            f"{error.filename} cannot be removed: {error.strerror}", "remove it yourself"
        ) from None
