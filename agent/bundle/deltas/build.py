"""The files of a bundle of deltas, built on this machine from its adapters and a base, once.

A bundle that is built lies among the user's models and is like any other; its folder `deltas` holds what it
was built from. It is made in MODELS/.NAME.build, one file after the other, and a later call goes on from the
files that are there; the manifest comes last, and the folder is renamed at the end.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.bundle import MANIFEST, Bundle, load_bundle
from agent.bundle.download.bases import base_folder
from agent.bundle.files import BaseFile
from agent.bundle.manifest import DELTAS
from agent.bundle.store import build_folder, locked_folder, validate_name
from agent.errors import BundleError, InputError, UmiError, cannot_write
from agent.paths import (
    models_folder,
    replace_folder,
    restore_folder,
    sha256_of,
    write_atomically,
)
from agent.transcript import Role

if TYPE_CHECKING:
    from agent.bundle.deltas.merge import Base

TEXTS = ("README.md", "LICENSE*")
"""Texts that are kept beside the deltas."""
Say = Callable[[str], object]
"""Called with a line of progress."""
_UNQUANTIZED = "unquantized.part"
_PART = ".part"
_AGAIN = "get or export that bundle again (umi export bundle --deltas)"


def open_bundle(folder: Path, say: Say) -> Bundle:
    """Return the bundle in `folder`, ready to run: the models of deltas are built first, unless they exist.

    Raise InputError as `load_bundle` and `build_bundle` do.
    """
    bundle = load_bundle(folder)
    return bundle if bundle.base is None else build_bundle(folder, say)


def build_bundle(folder: Path, say: Say, *, on_built: Say = lambda _: None, verify: bool = False) -> Bundle:
    """Build the bundle of deltas in `folder` among the user's models and return it, unless it is there.

    `say` is called once, when something is to be built, `on_built` with a line on each file.
    A bundle that was built, in `folder`, is built again where its files are damaged; with `verify` all of
    them are hashed. A build that was stopped is continued. Raise InputError where `folder` holds no deltas or
    damaged ones, the base is missing or another, or the disk is too small, and UmiError where a file cannot
    be written or does not answer as its export's.
    """
    deltas = folder / DELTAS if (folder / DELTAS / MANIFEST).is_file() else folder
    source = load_bundle(deltas, verify=True)
    if source.base is None:
        raise InputError(f"{folder} holds whole models, so there is nothing to build", "use it as it is")
    target = built_folder(source)
    restore_folder(target)
    if target.resolve() != source.folder.resolve() and os.path.lexists(target):
        if not (target / DELTAS / MANIFEST).is_file():
            raise InputError(
                f"there are models named {target.name} already", f"umi models remove {target.name}"
            )
        if _is_built(target, source, verify):
            return load_bundle(target)
    base = require_base(source.name, source.base)
    work = build_folder(target.name)
    try:
        with locked_folder(work, f"{target.name} is being built"):
            try:
                _prepare(work, source)
                say(f"building {source.name} from {source.base.name}, once")
                _build_files(work, source, base, on_built)
                replace_folder(work, target)
            finally:
                if not any((work / role.file).is_file() for role in source.roles.values()):
                    shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise cannot_write(error.filename or target, error) from None
    return load_bundle(target)


def built_folder(source: Bundle) -> Path:
    """Return the folder that a bundle of deltas is built in. Raise InputError where its name is none."""
    folder = source.folder.resolve()
    models = models_folder().resolve()
    if folder.name == DELTAS and folder.parent.parent == models:
        return models_folder() / folder.parent.name
    name = folder.name if folder.parent == models else source.name
    return models_folder() / validate_name(name)


def _is_built(target: Path, source: Bundle, verify: bool) -> bool:
    """Return whether `target` is whole, and was built from these very deltas."""
    try:
        same = (target / DELTAS / MANIFEST).read_bytes() == (source.folder / MANIFEST).read_bytes()
        load_bundle(target, verify=verify)
    except (OSError, BundleError):
        return False
    return same


def require_base(name: str, base: BaseFile) -> Path:
    """Return the path of a base's file. Raise InputError if it is missing or differs from the one named."""
    path = base_folder(base.name) / base.file
    getting = f"get it with: umi models pull {base.name}"
    if base.repository:
        getting += f" (or put {base.file} of {base.repository} at {base.revision[:12]} there)"
    try:
        same = path.stat().st_size == base.size and sha256_of(path) == base.sha256
    except FileNotFoundError:
        raise InputError(f"{name} needs the base {base.name}, and {path} does not exist", getting) from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", getting) from None
    if not same:
        raise InputError(f"{path} is not the base of {name}: its sha256 is not {base.sha256[:12]}…", getting)
    return path


def _prepare(work: Path, source: Bundle) -> None:
    """Put the deltas into the working folder, and remove what another build left there."""
    manifest = (source.folder / MANIFEST).read_bytes()
    try:
        kept = (work / DELTAS / MANIFEST).read_bytes() == manifest
    except OSError:
        kept = False
    built = {role.file for role in source.roles.values()} if kept else set()
    for path in work.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in built:
            path.unlink()
    (work / DELTAS).mkdir()
    texts = [path.name for pattern in TEXTS for path in source.folder.glob(pattern) if path.is_file()]
    for name in (*(file.file for file in source.files), *texts):
        shutil.copyfile(source.folder / name, work / DELTAS / name)
    write_atomically(work / DELTAS / MANIFEST, manifest)


def _build_files(work: Path, source: Bundle, base: Path, on_built: Say) -> None:
    """Build each missing file, then write the manifest. Raise UmiError as `build_bundle`."""
    from agent.bundle.deltas.merge import read_base
    from agent.llama.gguf.trial import require_loadable, trial_loads

    opened: Base | None = None
    for role, file in source.roles.items():
        out = work / file.file
        if file.adapter:
            shutil.copyfile(work / DELTAS / file.adapter.file, work / file.adapter.file)
        if file.table:
            shutil.copyfile(work / DELTAS / file.table.file, work / file.table.file)
        if out.is_file():
            continue
        if opened is None:
            opened = read_base(base)
            _require_space(work, source, opened.f32_bytes)
        _build_file(opened, [work / DELTAS / delta.file for delta in file.deltas], file.type, out)
        on_built(f"{role}: {file.file}, {out.stat().st_size / 1e6:.1f} MB")
    manifest = json.loads((source.folder / MANIFEST).read_text(encoding="utf-8"))
    hashes = {file.file: sha256_of(work / file.file) for file in source.roles.values()}
    del manifest["base"]
    for role, file in source.roles.items():
        record = manifest["roles"][role]
        record |= {"sha256": hashes[file.file], "size": (work / file.file).stat().st_size}
        del record["deltas"], record["type"]
    write_atomically(work / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
    built = load_bundle(work)
    try:
        require_loadable(trial_loads(built), _AGAIN)
    except BundleError:
        for role in source.roles.values():
            (work / role.file).unlink(missing_ok=True)
        raise
    for role, file in source.roles.items():
        if hashes[file.file] != file.sha256:
            try:
                _require_answers(built, role)
            except UmiError:
                (work / file.file).unlink()
                raise


def _build_file(base: Base, deltas: Sequence[Path], kind: str, out: Path) -> None:
    """Write `base` with `deltas` added to `out`, which appears whole, in the quantization `kind`."""
    from agent.bundle.deltas.merge import merge, read_delta
    from agent.llama.binding.quantize import known_type, quantize

    kind, unquantized = known_type(kind), out.with_name(_UNQUANTIZED)
    merge(base, [read_delta(file) for file in deltas], unquantized)
    try:
        if kind == "f32":
            unquantized.replace(out)
        else:
            quantize(unquantized, out.with_name(f"{out.name}{_PART}"), kind).replace(out)
    finally:
        unquantized.unlink(missing_ok=True)


def _require_space(work: Path, source: Bundle, f32_bytes: int) -> None:
    """Raise InputError if the disk has no room for the missing files and one unquantized model."""
    files = {file.file: file.size for file in source.roles.values() if not (work / file.file).is_file()}
    needed, free = f32_bytes + sum(files.values()), shutil.disk_usage(work).free
    if needed > free:
        raise InputError(
            f"{source.name} takes {needed / 1e6:.0f} MB to build, and {work.parent} has {free / 1e6:.0f} MB"
            " free",
            "make room, or set UMI_HOME to a folder on a larger disk",
        )


def _require_answers(bundle: Bundle, role: Role) -> None:
    """Raise UmiError if a file, not bit-identical to the exported one, answers the canary differently."""
    from agent.bundle.deltas.canary import CONTEXT, TOLERANCE, run_canary
    from agent.llama.binding.gguf_model import open_gguf

    path = bundle.path(role)
    try:
        probe = bundle.metrics["export"][role]["probe"]
        answer, agreed = [int(token) for token in probe["text"].split()], int(probe["agreed"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BundleError(
            f"{path.name} is not bit for bit its export's, and {bundle.name} has no canary for it",
            _AGAIN,
        ) from None
    with open_gguf(path, CONTEXT, bundle.adapter_path(role)) as model:
        found = run_canary(model, role, bundle.markers, answer)
    if found < agreed - TOLERANCE:
        raise UmiError(
            f"{path.name} answers as its model on {found} tokens of {len(answer)}, and did on {agreed}",
            _AGAIN,
        )
