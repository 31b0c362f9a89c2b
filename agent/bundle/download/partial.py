"""Unfinished downloads: a locked folder of complete files and of partial ones, which a later call resumes.

A partial file is named by its sha256, so that what was begun of another revision is not mixed in.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from agent.bundle.download.hub import Snapshot, download, megabytes
from agent.bundle.files import BundleFile
from agent.errors import InputError
from agent.paths import sha256_of

OnProgress = Callable[[str, int, int], object]
"""Called with a file's name, the number of bytes so far, and its size in bytes."""


def remove_foreign_files(part: Path, files: Iterable[BundleFile]) -> None:
    """Remove everything but complete and partial `files`: an earlier call may have begun another revision."""
    wanted = {path for file in files for path in (part / file.file, _partial(part, file))}
    for path in part.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_symlink() or path not in wanted:
            path.unlink()


def require_space(part: Path, size: int) -> None:
    """Raise InputError if `part`, with what it holds already, cannot hold `size` bytes."""
    present = sum(path.stat().st_size for path in part.iterdir() if path.is_file())
    needed, free = size - present, shutil.disk_usage(part).free
    if needed > free:
        raise InputError(
            f"{megabytes(needed)} are to be downloaded, and {part.parent} has {megabytes(free)} free",
            "make room, or set UMI_HOME to a folder on a larger disk",
        )


def complete_file(snapshot: Snapshot, part: Path, file: BundleFile, described_by: str) -> Generator[int]:
    """Download what is missing of a file to `part` and verify it; yield the number of bytes so far.

    Raise InputError if its sha256 is not the one that `described_by` states; other errors as
    `agent.bundle.download.hub.download`.
    """
    target, partial = part / file.file, _partial(part, file)
    if target.exists() and target.stat().st_size == file.size and sha256_of(target) == file.sha256:
        yield file.size
        return
    if partial.exists() and partial.stat().st_size > file.size:
        partial.unlink()
    yield from download(snapshot, file.file, partial, file.size)
    if sha256_of(partial) != file.sha256:
        partial.unlink()
        raise InputError(
            f"{snapshot.repo}: {file.file} is not the file {described_by} describes: its sha256 is another",
            "give the same command again, which begins that file anew, or tell its author",
        )
    os.replace(partial, target)


def _partial(part: Path, file: BundleFile) -> Path:
    return part / f".{file.sha256}"
