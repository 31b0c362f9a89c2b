"""The bundles on this machine: lookup by path or name, selection of the default, removal.

The default bundle is the one that the user selected, or one of the package (see `agent.bundle.shipped`).
"""

from __future__ import annotations

import difflib
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.bundle import MANIFEST, load_bundle
from agent.bundle.download.bases import base_names
from agent.bundle.shipped import default_bundle, shipped_bundles
from agent.config import read_config, set_value
from agent.errors import InputError
from agent.paths import SHIPPED, bases_folder, models_folder


@dataclass(frozen=True)
class InstalledBundle:
    """A bundle that `find_bundle` finds by name; `selected` marks the default."""

    name: str
    folder: Path
    shipped: bool
    selected: bool


def find_bundle(name_or_path: str | None = None) -> Path:
    """Return the folder of a bundle: a path if it exists, else a name; None is the default bundle.

    Raise InputError if there is no such bundle. The bundle is not validated.
    """
    if name_or_path is None:
        return selected_bundle()
    if name_or_path and (path := _existing_path(name_or_path)):
        return path.parent if path.name == MANIFEST else path
    named = {bundle.name: bundle.folder for bundle in _named_bundles()}
    if name_or_path in named:
        return named[name_or_path]
    raise _unknown_bundle(name_or_path)


def list_bundles() -> list[InstalledBundle]:
    """Return the shipped bundles and the user's own; a default elsewhere is named after its folder."""
    chosen = selected_bundle(check=False)
    rows = [InstalledBundle(b.name, b.folder, b.shipped, b.folder == chosen) for b in _named_bundles()]
    if not any(row.selected for row in rows):
        rows.append(InstalledBundle(chosen.name, chosen, shipped=False, selected=True))
    return rows


def select_bundle(name_or_path: str) -> Path:
    """Make a bundle the default and return its folder.

    Raise InputError if there is no such bundle and BundleError if it cannot run.
    """
    folder = find_bundle(name_or_path)
    load_bundle(folder)
    known = {bundle.folder: bundle.name for bundle in _named_bundles()}
    set_value("models", known.get(folder, str(folder.resolve())))
    return folder


def partial_folder(name: str) -> Path:
    """Return the folder of a bundle that is being downloaded or removed."""
    return models_folder() / f".{name}.part"


def validate_name(name: str) -> str:
    """Return `name`. Raise InputError where it cannot be the name of a bundle."""
    usable = name == Path(name).name and name[:1] not in ("", ".", "-") and name.isprintable()
    if not usable or name == bases_folder().name:
        raise InputError(f"{name!r} is not a name for models", "give one like my-models with --name")
    return name


@contextmanager
def locked_folder(folder: Path, busy: str) -> Iterator[None]:
    """Create a working folder and lock it while the block runs.

    Raise InputError, which begins with `busy`, if another process holds the lock.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{busy} by another umi", "wait until that is done") from None
        yield
    finally:
        os.close(descriptor)


def build_folder(name: str) -> Path:
    """Return the folder of a bundle that is being built from deltas."""
    return models_folder() / f".{name}.build"


def removable_folders(name: str) -> list[Path]:
    """Return the folders that `remove_bundle` deletes: a bundle of the user, unfinished downloads and builds.

    Raise InputError for a shipped bundle, one outside the models folder, and anything that is not a bundle.
    What was built of the shipped deltas can be deleted.
    """
    here = models_folder()
    folder = here / name
    if name not in ("", ".", "..") and name == Path(name).name:
        if folder.is_symlink():
            raise InputError(f"{folder} is a link to {os.readlink(folder)}", "remove the link yourself")
        own = folder, partial_folder(name), build_folder(name)
        paths = [path for path in own if path.is_dir() and not path.is_symlink()]
        if folder in paths and not (folder / MANIFEST).exists():
            raise InputError(f"{folder} has no {MANIFEST}, so it is not a bundle", "remove it yourself")
        if paths and name != SHIPPED.name:
            return paths
    if name in shipped_bundles():
        raise InputError(f"{name} is part of umi and stays", "see your own: umi models list")
    if _existing_path(name):
        raise InputError(f"{name} is not among your models in {here}", "remove that folder yourself")
    raise _unknown_bundle(name)


def remove_bundle(name: str) -> bool:
    """Delete a bundle of the user; return whether it was the default, which is then the shipped one.

    Raise InputError as `removable_folders`, and if a file cannot be deleted.
    """
    paths = removable_folders(name)
    folder, part = models_folder() / name, partial_folder(name)
    was_selected = folder in paths and selected_bundle(check=False).resolve() == folder.resolve()
    try:
        for unfinished in (part, build_folder(name)):
            if unfinished in paths:
                shutil.rmtree(unfinished)
        if folder in paths:
            folder.rename(part)  # first, so that no incomplete bundle is ever found by name
            shutil.rmtree(part)
    except OSError as error:
        raise InputError(
            f"{error.filename} cannot be removed: {error.strerror}", "remove it yourself"
        ) from None
    if was_selected:
        set_value("models", SHIPPED.name)
    return was_selected


def selected_bundle(*, check: bool = True) -> Path:
    """Return the folder of the default bundle. With `check`, raise InputError if it does not exist."""
    choice = read_config().models
    if not choice:
        return default_bundle()
    folder = {bundle.name: bundle.folder for bundle in _named_bundles()}.get(choice, Path(choice))
    if check and _existing_path(str(folder)) is None:
        shown = choice if choice.isprintable() else ascii(choice)
        raise InputError(
            f"the models you picked, {shown[:200]}, are gone", "pick others: umi models use umi-mini"
        )
    return folder


def _unknown_bundle(name: str) -> InputError:
    if name in base_names():
        return InputError(
            f"{name} is a base, not a bundle: it has no three roles yet",
            f"run it as a stock model: umi models use {name}; or train them: umi train base import {name}",
        )
    near = difflib.get_close_matches(name, [bundle.name for bundle in _named_bundles()], n=1)
    guess = f"did you mean {near[0]}? see: umi models list" if near else "see what there is: umi models list"
    return InputError(f"there are no models named {name or '(nothing)'} and no such folder", guess)


def _existing_path(name: str) -> Path | None:
    """Return `name` as a path if something exists there."""
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError):  # too long, no permission, or `~` of an unknown user
        return None


def _named_bundles() -> list[InstalledBundle]:
    """Return the shipped bundles and those in the models folder, which are found by name."""
    own = sorted(path.parent for path in models_folder().glob(f"[!.]*/{MANIFEST}"))
    shipped = shipped_bundles()
    rows = [InstalledBundle(name, folder, shipped=True, selected=False) for name, folder in shipped.items()]
    return rows + [InstalledBundle(path.name, path, False, False) for path in own if path.name not in shipped]
