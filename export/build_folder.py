"""The folder beside a bundle in which it is made, and what an export that was stopped left in it.

.NAME.part/bundle/       files of the bundle that are finished
.NAME.part/PART.json     what is known of a finished part: its file, that file's hash, and a key, which is a
                         hash of all that decides what the file holds
.NAME.part/scratch/      everything else

An export takes over the parts whose key is that of its own inputs and whose files are as they were written.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agent.errors import InputError
from export.options import Say
from export.run import sha256

_LIBRARIES = (
    *("torch", "transformers", "tokenizers", "safetensors", "numpy", "bitsandbytes"),
    *("gguf", "llama-cpp-python", "umi-agent"),
)
"""Those that have a say in what an export writes."""
_SOURCES = ("agent", "export")
"""Our own packages that have."""


@dataclass(frozen=True)
class BuildFolder:
    """An export's own folder."""

    folder: Path
    keys: Mapping[str, str]
    """For each part that another export may take over, the hash of what decides it."""
    finished: dict[str, dict[str, Any]]
    """What is known of the parts that are finished; its `file` lies in `bundle`."""

    @property
    def bundle(self) -> Path:
        """The folder of finished files, which becomes the bundle."""
        return self.folder / "bundle"

    @property
    def scratch(self) -> Path:
        """The folder of what is not part of the bundle."""
        return self.folder / "scratch"

    def finish(self, part: str, made: dict[str, Any]) -> None:
        """Note that a part is finished; `made` is what is to be known of it."""
        record = {"key": self.keys[part], "sha256": sha256(self.bundle / made["file"]), "made": made}
        unfinished = self.folder / f"{part}.json.part"
        unfinished.write_text(json.dumps(record), encoding="utf-8")
        unfinished.replace(self.folder / f"{part}.json")
        self.finished[part] = made

    def discard(self, part: str) -> None:
        """Remove a finished part, so that it can be made anew under another name."""
        made = self.finished.pop(part)
        (self.folder / f"{part}.json").unlink(missing_ok=True)
        (self.bundle / made["file"]).unlink(missing_ok=True)


@contextmanager
def open_build_folder(out: Path, keys: Mapping[str, str], say: Say) -> Iterator[BuildFolder]:
    """The work folder of the bundle `out`, with the parts that are finished and have one of `keys`.

    It is removed at the end, unless there are finished parts that did not become a bundle. Raises InputError
    where another export works there.
    """
    folder = out.with_name(f".{out.name}.part")
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another export is making {out}", "wait for it, or give another --out"
            ) from None
        work = BuildFolder(folder, keys, _finished(folder, keys))
        try:
            _remove_rest(work)
            work.bundle.mkdir(exist_ok=True)
            work.scratch.mkdir()
            yield work
        finally:
            if work.finished and work.bundle.is_dir():
                _remove_rest(work)
                say(f"finished parts are kept in {folder}; the same command goes on from there")
            else:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)


def hash_of(value: Any) -> str:
    """sha256 in hex of what JSON can write, and of the programs that turn it into files."""
    root = Path(__file__).parents[1]
    sources = [file for package in _SOURCES for file in sorted((root / package).rglob("*.py"))]
    made_by = [*((name, version(name)) for name in _LIBRARIES), *((f.name, sha256(f)) for f in sources)]
    return hashlib.sha256(json.dumps([value, made_by], sort_keys=True).encode()).hexdigest()


def _finished(folder: Path, keys: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    finished = {}
    for part, key in keys.items():
        try:
            record = json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))
            if (
                record["key"] == key
                and sha256(folder / "bundle" / record["made"]["file"]) == record["sha256"]
            ):
                finished[part] = record["made"]
        except (OSError, InputError, ValueError, KeyError, TypeError):
            continue
    return finished


def _remove_rest(work: BuildFolder) -> None:
    """Remove from the folder all but the parts that are finished."""
    kept = {work.folder / f"{part}.json" for part in work.finished}
    kept |= {work.bundle / made["file"] for made in work.finished.values()}
    inside = list(work.bundle.iterdir()) if work.bundle.is_dir() else []
    for path in {*work.folder.iterdir(), *inside} - kept - {work.bundle}:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
