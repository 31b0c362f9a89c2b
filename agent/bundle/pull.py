"""A bundle of the hub among the user's own models: the manifest first, then the files that it names.

Everything is made in MODELS/.NAME.part, one file after the other, each under its sha256 until it is whole,
and renamed at the end. A manifest may come from anyone: nothing it says is used before it was checked.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from agent.bundle import MANIFEST, Bundle, GgufFile, check_prompt_version, load_bundle
from agent.bundle.hub import Snapshot, fetch, look_up, megabytes, parse_repository, read
from agent.bundle.manifest import parse_manifest
from agent.bundle.store import part_folder
from agent.errors import BundleError, InputError
from agent.paths import SHIPPED, models_folder, sha256_of, write_atomically

LONGEST_MANIFEST = 8_000_000
"""Bytes; the shipped one has 7,000, recipe and metrics included."""
SHOWN = 5
"""Files of a repository that a message names."""
_SHA256 = re.compile(r"[0-9a-f]{64}")

Tell = Callable[[str, int, int], object]
"""Takes a file's name, its bytes so far, and all its bytes."""


def pull(repository: str, name: str | None, tell: Tell) -> Bundle:
    """Download the bundle in `OWNER/NAME[@REVISION]` as `name` (by default NAME); returns it in its place.

    What an earlier call left unfinished is gone on with. Raises InputError where the name is taken, the
    repository holds no bundle that this umi runs, the disk is too small, or a file is not what the manifest
    says, and UmiError where the hub cannot be reached.
    """
    repo, revision = parse_repository(repository)
    name = _checked_name(name or repo.split("/")[1])
    target = models_folder() / name
    if name == SHIPPED.name or os.path.lexists(target):
        removing = "" if name == SHIPPED.name else f"umi models remove {name}, or "
        raise InputError(f"there are models named {name} already", f"{removing}give another name with --name")
    snapshot = look_up(repo, revision)
    manifest = _manifest(snapshot)
    files = _checked_files(_checked_bundle(repo, manifest), snapshot)
    part = part_folder(name)
    try:
        with _claimed(part, name):
            _tidy(part, files)
            _require_room(part, files)
            for file in files:
                _complete(snapshot, part, file, tell)
            write_atomically(part / MANIFEST, manifest)
            bundle = _checked_bundle(repo, manifest, part)
            part.rename(target)
    except OSError as error:
        raise InputError(
            f"{error.filename or part} cannot be written: {error.strerror}",
            "mend that and give the same command again; it goes on where it stopped",
        ) from None
    return replace(bundle, folder=target)


def _checked_name(name: str) -> str:
    if name != Path(name).name or name[:1] in ("", ".", "-") or not name.isprintable():
        raise InputError(f"{name!r} is no name for models", "give one like my-models with --name")
    return name


def _manifest(snapshot: Snapshot) -> bytes:
    if MANIFEST in snapshot.files:
        return read(snapshot, MANIFEST, LONGEST_MANIFEST)
    names = sorted(snapshot.files)
    models = [name for name in names if name.lower().endswith(".gguf")]
    shown = ", ".join((models or names)[:SHOWN]) + (", …" if len(models or names) > SHOWN else "")
    what = f"{snapshot.repo} has no {MANIFEST}, so it is no bundle"
    if models:
        raise InputError(
            f"{what}; it holds {len(models)} GGUF files: {shown}",
            f"download one (hf download {snapshot.repo} FILE --local-dir .) and make a bundle of it with"
            " umi models assemble",
        )
    holds = f"{len(names)} files: {shown}" if names else "nothing"
    raise InputError(f"{what}; it holds {holds}", "name a repository that umi export push made")


def _checked_bundle(repo: str, manifest: bytes, folder: Path | None = None) -> Bundle:
    """The bundle that a manifest describes; with `folder`, loaded from there.

    Raises BundleError where this umi cannot run it.
    """
    try:
        if folder:
            return load_bundle(folder)
        bundle = parse_manifest(Path(repo), json.loads(manifest))
        check_prompt_version(bundle)
        return bundle
    except BundleError as error:
        what = error.what
    except (ValueError, RecursionError):
        what = f"{repo}/{MANIFEST} is damaged: it is not JSON"
    raise BundleError(what, "update umi, or pull another revision: umi models pull OWNER/NAME@REVISION")


def _checked_files(bundle: Bundle, snapshot: Snapshot) -> tuple[GgufFile, ...]:
    """The files that a manifest names. Raises BundleError where the hub has not what it says of them."""
    where = f"{snapshot.repo}/{MANIFEST}"
    seen: set[str] = set()
    for file in bundle.files:
        wrong = ""
        found = snapshot.files.get(file.file)
        if file.file[:1] == "." or not file.file.isprintable() or file.file == MANIFEST:
            wrong = "is no name of a model file"
        elif file.file in seen:
            wrong = "has two sizes or hashes"
        elif not _SHA256.fullmatch(file.sha256) or file.size < 1:
            wrong = "has no size and sha256"
        elif file.file not in snapshot.files:
            wrong = "is not in the repository"
        elif found is not None and found != file.size:
            wrong = f"has {found:,} bytes there, and {file.size:,} by the manifest"
        if wrong:
            raise BundleError(
                f"{where} is damaged: {file.file!r} {wrong}", "tell its author, or pull another revision"
            )
        seen.add(file.file)
    return bundle.files


@contextmanager
def _claimed(part: Path, name: str) -> Iterator[None]:
    """The part folder, for this process alone."""
    if part.is_symlink() or (part.exists() and not part.is_dir()):
        part.unlink()
    part.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(part, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{name} is being pulled by another umi", "wait until that is done") from None
        yield
    finally:
        os.close(descriptor)


def _partial(part: Path, file: GgufFile) -> Path:
    return part / f".{file.sha256}"


def _tidy(part: Path, files: tuple[GgufFile, ...]) -> None:
    """Remove what is not of these files: an earlier call may have begun another revision."""
    wanted = {path for file in files for path in (part / file.file, _partial(part, file))}
    for path in part.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_symlink() or path not in wanted:
            path.unlink()


def _require_room(part: Path, files: tuple[GgufFile, ...]) -> None:
    here = sum(path.stat().st_size for path in part.iterdir())
    needed, free = sum(file.size for file in files) - here, shutil.disk_usage(part).free
    if needed > free:
        raise InputError(
            f"{megabytes(needed)} are to be downloaded, and {part.parent} has {megabytes(free)} free",
            "make room, or set UMI_HOME to a folder on a larger disk",
        )


def _complete(snapshot: Snapshot, part: Path, file: GgufFile, tell: Tell) -> None:
    """Make sure that a file lies whole in `part`."""
    target, partial = part / file.file, _partial(part, file)
    if target.exists() and target.stat().st_size == file.size and sha256_of(target) == file.sha256:
        tell(file.file, file.size, file.size)
        return
    if partial.exists() and partial.stat().st_size > file.size:
        partial.unlink()
    fetch(snapshot, file.file, partial, file.size, lambda done: tell(file.file, done, file.size))
    if sha256_of(partial) != file.sha256:
        partial.unlink()
        raise InputError(
            f"{snapshot.repo}: {file.file} is not the file its manifest describes: its sha256 is another",
            "give the same command again, which begins that file anew, or tell its author",
        )
    os.replace(partial, target)
