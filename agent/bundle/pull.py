"""Download of a bundle from the hub into the user's models: the manifest first, then the files that it names.

The bundle is built in MODELS/.NAME.part, one file after the other, each named by its sha256 until it is
complete, and the folder is renamed at the end. A manifest is untrusted input: it is validated before use.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from agent.bundle import MANIFEST, Bundle, GgufFile, check_prompt_version, load_bundle
from agent.bundle.hub import Snapshot, download, look_up, megabytes, parse_repository, read_file
from agent.bundle.manifest import parse_manifest
from agent.bundle.store import partial_folder
from agent.errors import BundleError, InputError
from agent.paths import SHIPPED, models_folder, sha256_of, write_atomically

MAX_MANIFEST_SIZE = 8_000_000
"""In bytes; the shipped manifest has 7,000, recipe and metrics included."""
MAX_NAMES = 5
"""Number of files of a repository that a message names."""
_SHA256 = re.compile(r"[0-9a-f]{64}")

OnProgress = Callable[[str, int, int], object]
"""Called with a file's name, the number of bytes so far, and its size in bytes."""


def pull(repository: str, name: str | None, on_progress: OnProgress) -> Bundle:
    """Download the bundle in `OWNER/NAME[@REVISION]` as `name` (default: NAME) and return it.

    A download that an earlier call left unfinished is resumed. Raise InputError if the name is taken, the
    repository holds no bundle that this version runs, the disk is too small, or a file differs from its
    description in the manifest; UmiError if the hub fails. Exceptions of `on_progress` are not translated.
    """
    repo, revision = parse_repository(repository)
    name = _validate_name(name or repo.split("/")[1])
    target = models_folder() / name
    if name == SHIPPED.name or os.path.lexists(target):
        removing = "" if name == SHIPPED.name else f"umi models remove {name}, or "
        raise InputError(f"there are models named {name} already", f"{removing}give another name with --name")
    snapshot = look_up(repo, revision)
    manifest = _read_manifest(snapshot)
    files = _validate_files(_validate_manifest(repo, manifest), snapshot)
    with closing(_install(snapshot, manifest, files, target)) as progress:
        for file, done in progress:
            on_progress(file.file, done, file.size)
    return load_bundle(target)


def _install(
    snapshot: Snapshot, manifest: bytes, files: tuple[GgufFile, ...], target: Path
) -> Generator[tuple[GgufFile, int]]:
    """Download a bundle to `target`; yield each file with the number of its bytes so far.

    Raise InputError if a file cannot be written, and as `pull`.
    """
    part = partial_folder(target.name)
    try:
        with _locked(part, target.name):
            _remove_foreign_files(part, files)
            _require_space(part, files)
            for file in files:
                for done in _complete(snapshot, part, file):
                    yield file, done
            write_atomically(part / MANIFEST, manifest)
            _validate_manifest(snapshot.repo, manifest, part)
            part.rename(target)
    except OSError as error:
        raise InputError(
            f"{error.filename or part} cannot be written: {error.strerror}",
            "mend that and give the same command again; it goes on where it stopped",
        ) from None


def _validate_name(name: str) -> str:
    if name != Path(name).name or name[:1] in ("", ".", "-") or not name.isprintable():
        raise InputError(f"{name!r} is no name for models", "give one like my-models with --name")
    return name


def _read_manifest(snapshot: Snapshot) -> bytes:
    """Return the manifest of a repository. Raise InputError, with what else it holds, if there is none."""
    if MANIFEST in snapshot.files:
        return read_file(snapshot, MANIFEST, MAX_MANIFEST_SIZE)
    names = sorted(snapshot.files)
    models = [name for name in names if name.lower().endswith(".gguf")]
    shown = ", ".join((models or names)[:MAX_NAMES]) + (", …" if len(models or names) > MAX_NAMES else "")
    what = f"{snapshot.repo} has no {MANIFEST}, so it is no bundle"
    if models:
        raise InputError(
            f"{what}; it holds {len(models)} GGUF files: {shown}",
            f"download one (hf download {snapshot.repo} FILE --local-dir .) and make a bundle of it with"
            " umi models assemble",
        )
    holds = f"{len(names)} files: {shown}" if names else "nothing"
    raise InputError(f"{what}; it holds {holds}", "name a repository that umi export push made")


def _validate_manifest(repo: str, manifest: bytes, folder: Path | None = None) -> Bundle:
    """Return the bundle that a manifest describes, loaded from `folder` if given.

    Raise BundleError if this version cannot run it.
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


def _validate_files(bundle: Bundle, snapshot: Snapshot) -> tuple[GgufFile, ...]:
    """Return the files that a manifest names. Raise BundleError if a name, hash or size of them is wrong."""
    where = f"{snapshot.repo}/{MANIFEST}"
    seen: set[str] = set()
    for file in bundle.files:
        problem = ""
        size = snapshot.files.get(file.file)
        if file.file[:1] == "." or not file.file.isprintable() or file.file == MANIFEST:
            problem = "is no name of a model file"
        elif file.file in seen:
            problem = "has two sizes or hashes"
        elif not _SHA256.fullmatch(file.sha256) or file.size < 1:
            problem = "has no size and sha256"
        elif file.file not in snapshot.files:
            problem = "is not in the repository"
        elif size is not None and size != file.size:
            problem = f"has {size:,} bytes there, and {file.size:,} by the manifest"
        if problem:
            raise BundleError(
                f"{where} is damaged: {file.file!r} {problem}", "tell its author, or pull another revision"
            )
        seen.add(file.file)
    return bundle.files


@contextmanager
def _locked(part: Path, name: str) -> Iterator[None]:
    """Create the partial folder and lock it. Raise InputError if another process holds the lock."""
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


def _remove_foreign_files(part: Path, files: tuple[GgufFile, ...]) -> None:
    """Remove everything but complete and partial `files`: an earlier call may have begun another revision."""
    wanted = {path for file in files for path in (part / file.file, _partial(part, file))}
    for path in part.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_symlink() or path not in wanted:
            path.unlink()


def _require_space(part: Path, files: tuple[GgufFile, ...]) -> None:
    present = sum(path.stat().st_size for path in part.iterdir())
    needed, free = sum(file.size for file in files) - present, shutil.disk_usage(part).free
    if needed > free:
        raise InputError(
            f"{megabytes(needed)} are to be downloaded, and {part.parent} has {megabytes(free)} free",
            "make room, or set UMI_HOME to a folder on a larger disk",
        )


def _complete(snapshot: Snapshot, part: Path, file: GgufFile) -> Iterator[int]:
    """Download what is missing of a file to `part` and verify it; yield the number of bytes so far."""
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
            f"{snapshot.repo}: {file.file} is not the file its manifest describes: its sha256 is another",
            "give the same command again, which begins that file anew, or tell its author",
        )
    os.replace(partial, target)
