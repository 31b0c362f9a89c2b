"""The folder beside a bundle in which it is made, and from which an interrupted export continues.

.NAME.part/bundle/       files of the bundle that are finished
.NAME.part/PART.json     a finished part: its metrics, its file's sha256, and its key, a hash of all
                         inputs that the file depends on
.NAME.part/scratch/      everything else

An export reuses a part if its key is that of the export's own inputs and its file has the recorded sha256.
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
from agent.paths import write_atomically
from export.options import Say
from export.sources import sources_hash
from train.run.files import hash_file

_LIBRARIES = (
    *("torch", "transformers", "tokenizers", "safetensors", "numpy", "bitsandbytes"),
    *("gguf", "llama-cpp-python", "umi-agent"),
)
"""The libraries whose version can change what an export writes."""
_PART_MODULE = "export.layouts.merged"
"""The module that makes the parts that can be reused."""


@dataclass(frozen=True)
class BuildFolder:
    """The folder of one export."""

    folder: Path
    keys: Mapping[str, str]
    """For each part that can be reused, a hash of the inputs it depends on."""
    finished: dict[str, dict[str, Any]]
    """The metrics of each finished part; the file that they name as `file` is in `bundle`."""

    @property
    def bundle(self) -> Path:
        """The folder of finished files, which becomes the bundle."""
        return self.folder / "bundle"

    @property
    def scratch(self) -> Path:
        """The folder of files that are not part of the bundle."""
        return self.folder / "scratch"

    def finish(self, part: str, metrics: dict[str, Any]) -> None:
        """Record that a part is finished."""
        sha256 = hash_file(self.bundle / metrics["file"])
        record = {"key": self.keys[part], "sha256": sha256, "metrics": metrics}
        write_atomically(self.folder / f"{part}.json", json.dumps(record))
        self.finished[part] = metrics

    def discard(self, part: str) -> None:
        """Remove a finished part, so that it can be made again under another file name."""
        metrics = self.finished.pop(part)
        (self.folder / f"{part}.json").unlink(missing_ok=True)
        (self.bundle / metrics["file"]).unlink(missing_ok=True)


@contextmanager
def open_build_folder(out: Path, keys: Mapping[str, str], say: Say) -> Iterator[BuildFolder]:
    """Yield the build folder of the bundle `out`, with the finished parts whose key is one of `keys`.

    It is removed at the end, unless there are finished parts that did not become a bundle. Raise InputError
    where another export is using it.
    """
    folder = out.with_name(f".{out.name}.part")
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another export is making {out}", "wait for it, or give another --out"
            ) from None
        build = BuildFolder(folder, keys, _finished_parts(folder, keys))
        try:
            _remove_unfinished(build)
            build.bundle.mkdir(exist_ok=True)
            build.scratch.mkdir()
            yield build
        finally:
            if build.finished and build.bundle.is_dir():
                _remove_unfinished(build)
                say(f"finished parts are kept in {folder}; the same command goes on from there")
            else:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def build_key(value: Any) -> str:
    """Return the sha256 in hex of the JSON `value`, our sources that make a part, and library versions."""
    libraries = [(name, version(name)) for name in _LIBRARIES]
    return hashlib.sha256(
        json.dumps([value, libraries, sources_hash(_PART_MODULE)], sort_keys=True).encode()
    ).hexdigest()


def _finished_parts(folder: Path, keys: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    finished = {}
    for part, key in keys.items():
        try:
            record = json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))
            metrics = record["metrics"]
            if record["key"] == key and hash_file(folder / "bundle" / metrics["file"]) == record["sha256"]:
                finished[part] = metrics
        except (OSError, InputError, ValueError, KeyError, TypeError):
            continue
    return finished


def _remove_unfinished(build: BuildFolder) -> None:
    """Remove from the folder all but the finished parts."""
    kept = {build.folder / f"{part}.json" for part in build.finished}
    kept |= {build.bundle / metrics["file"] for metrics in build.finished.values()}
    inside = list(build.bundle.iterdir()) if build.bundle.is_dir() else []
    for path in {*build.folder.iterdir(), *inside} - kept - {build.bundle}:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
