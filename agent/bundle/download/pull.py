"""Download of a bundle from the hub into the user's models: the manifest first, then the files that it names.

The bundle is built in MODELS/.NAME.part, one file after the other, each named by its sha256 until it is
complete, and the folder is renamed at the end. A manifest is untrusted input: it is validated before use.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from agent.bundle import MANIFEST, Bundle, BundleFile, check_prompt_version, load_bundle
from agent.bundle.download.hub import Snapshot, look_up, parse_repository, read_file
from agent.bundle.download.partial import OnProgress, complete_file, remove_foreign_files, require_space
from agent.bundle.manifest import parse_manifest
from agent.bundle.shipped import shipped_bundles
from agent.bundle.store import locked_folder, partial_folder, validate_name
from agent.errors import BundleError, InputError
from agent.paths import models_folder, parse_json, write_atomically

MAX_MANIFEST_SIZE = 8_000_000
"""In bytes; the shipped manifest has 7,000, recipe and metrics included."""
MAX_NAMES = 5
"""Number of files of a repository that a message names."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


def pull(repository: str, name: str | None, on_progress: OnProgress) -> Bundle:
    """Download the bundle in `OWNER/NAME[@REVISION]` as `name` (default: NAME) and return it.

    A download that an earlier call left unfinished is resumed. Raise InputError if the name is taken, the
    repository holds no bundle that this version runs, the disk is too small, or a file differs from its
    description in the manifest; UmiError if the hub fails. Exceptions of `on_progress` are not translated.
    """
    repo, revision = parse_repository(repository)
    name = validate_name(name or repo.split("/")[1])
    target = models_folder() / name
    shipped = name in shipped_bundles()
    if shipped or os.path.lexists(target):
        removing = "" if shipped else f"umi models remove {name}, or "
        raise InputError(f"there are models named {name} already", f"{removing}give another name with --name")
    snapshot = look_up(repo, revision)
    manifest = _read_manifest(snapshot)
    files = _validate_files(_validate_manifest(repo, manifest), snapshot)
    with closing(_install(snapshot, manifest, files, target)) as progress:
        for file, done in progress:
            on_progress(file.file, done, file.size)
    return load_bundle(target)


def _install(
    snapshot: Snapshot, manifest: bytes, files: tuple[BundleFile, ...], target: Path
) -> Generator[tuple[BundleFile, int]]:
    """Download a bundle to `target`; yield each file with the number of its bytes so far.

    Raise InputError if a file cannot be written, and as `pull`.
    """
    part = partial_folder(target.name)
    try:
        with locked_folder(part, f"{target.name} is being pulled"):
            remove_foreign_files(part, files)
            require_space(part, sum(file.size for file in files))
            for file in files:
                for done in complete_file(snapshot, part, file, "its manifest"):
                    yield file, done
            write_atomically(part / MANIFEST, manifest)
            _validate_manifest(snapshot.repo, manifest, part)
            part.rename(target)
    except OSError as error:
        raise InputError(
            f"{error.filename or part} cannot be written: {error.strerror}",
            "mend that and give the same command again; it goes on where it stopped",
        ) from None


def _read_manifest(snapshot: Snapshot) -> bytes:
    """Return the manifest of a repository. Raise InputError, with what else it holds, if there is none."""
    if MANIFEST in snapshot.files:
        return read_file(snapshot, MANIFEST, MAX_MANIFEST_SIZE)
    names = sorted(snapshot.files)
    models = [name for name in names if name.lower().endswith(".gguf")]
    shown = ", ".join((models or names)[:MAX_NAMES]) + (", …" if len(models or names) > MAX_NAMES else "")
    what = f"{snapshot.repo} has no {MANIFEST}, so it is not a bundle"
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
        bundle = parse_manifest(Path(repo), parse_json(manifest))
        check_prompt_version(bundle)
        return bundle
    except BundleError as error:
        what = error.what
    except ValueError:
        what = f"{repo}/{MANIFEST} is damaged: it is not JSON"
    raise BundleError(what, "update umi, or pull another revision: umi models pull OWNER/NAME@REVISION")


def _validate_files(bundle: Bundle, snapshot: Snapshot) -> tuple[BundleFile, ...]:
    """Return the files that a manifest names. Raise BundleError if a name, hash or size of them is wrong."""
    where = f"{snapshot.repo}/{MANIFEST}"
    seen: set[str] = set()
    for file in bundle.files:
        problem = ""
        size = snapshot.files.get(file.file)
        if file.file[:1] == "." or not file.file.isprintable() or file.file == MANIFEST:
            problem = "is not a name of a model file"
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
