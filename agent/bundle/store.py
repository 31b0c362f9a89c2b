"""Which bundle runs: by path, by name, or the one the user picked; the one in the package until then."""

from __future__ import annotations

import difflib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from agent.bundle import MANIFEST, load_bundle
from agent.errors import InputError
from agent.paths import SHIPPED, models_folder
from agent.settings import change_settings, read_settings

__all__ = ["SHIPPED", "Listed", "find", "listed", "part_folder", "picked", "removable", "remove", "use"]


@dataclass(frozen=True)
class Listed:
    """A bundle that `find` knows by name; `picked` marks the one that runs when none is named."""

    name: str
    folder: Path
    shipped: bool
    picked: bool


def find(name_or_path: str | None = None) -> Path:
    """The folder of a bundle: a path if it exists, else a name; None is the user's pick or the shipped one.

    Raises InputError where there is no such bundle. The bundle itself is not checked.
    """
    if name_or_path is None:
        return picked()
    if name_or_path and (path := _existing(name_or_path)):
        return path.parent if path.name == MANIFEST else path
    named = {bundle.name: bundle.folder for bundle in _known()}
    if name_or_path in named:
        return named[name_or_path]
    raise _unknown(name_or_path)


def listed() -> list[Listed]:
    """The shipped bundle and the user's own; a pick that lies elsewhere goes by its folder's name."""
    chosen = picked(check=False)
    rows = [Listed(b.name, b.folder, b.shipped, b.folder == chosen) for b in _known()]
    if not any(row.picked for row in rows):
        rows.append(Listed(chosen.name, chosen, shipped=False, picked=True))
    return rows


def use(name_or_path: str) -> Path:
    """Make a bundle the one that runs when none is named; return its folder.

    Raises InputError where there is none, and BundleError where it cannot run.
    """
    folder = find(name_or_path)
    load_bundle(folder)
    known = {bundle.folder: bundle.name for bundle in _known()}
    change_settings(models=known.get(folder, str(folder.resolve())))
    return folder


def part_folder(name: str) -> Path:
    """Where a bundle named `name` is while it is being made or removed."""
    return models_folder() / f".{name}.part"


def removable(name: str) -> list[Path]:
    """The folders that `remove` would delete: a bundle of the user's own, and what a stopped pull left.

    Raises InputError for the shipped bundle, one that lies elsewhere, and anything that is no bundle.
    """
    if name == SHIPPED.name:
        raise InputError(f"{name} is part of umi and stays", "see your own: umi models list")
    here = models_folder()
    folder = here / name
    if name not in ("", ".", "..") and name == Path(name).name:
        if folder.is_symlink():
            raise InputError(f"{folder} is a link to {os.readlink(folder)}", "remove the link yourself")
        paths = [path for path in (folder, part_folder(name)) if path.is_dir() and not path.is_symlink()]
        if folder in paths and not (folder / MANIFEST).exists():
            raise InputError(f"{folder} has no {MANIFEST}, so it is no bundle", "remove it yourself")
        if paths:
            return paths
    if _existing(name):
        raise InputError(f"{name} is not among your models in {here}", "remove that folder yourself")
    raise _unknown(name)


def remove(name: str) -> bool:
    """Delete what `removable` names. Returns whether it was the user's pick; the shipped one is picked then.

    Raises InputError as `removable` does, and where it cannot be deleted.
    """
    paths = removable(name)
    folder, part = models_folder() / name, part_folder(name)
    was_picked = folder in paths and picked(check=False).resolve() == folder.resolve()
    try:
        if part in paths:
            shutil.rmtree(part)
        if folder in paths:
            folder.rename(part)  # first of all: a bundle that is there is whole
            shutil.rmtree(part)
    except OSError as error:
        raise InputError(
            f"{error.filename} cannot be removed: {error.strerror}", "remove it yourself"
        ) from None
    if was_picked:
        change_settings(models=SHIPPED.name)
    return was_picked


def picked(*, check: bool = True) -> Path:
    """The folder of the bundle that runs when none is named; `check` raises InputError where it is gone."""
    choice = read_settings().get("models")
    if not isinstance(choice, str) or not choice:
        return SHIPPED
    folder = {bundle.name: bundle.folder for bundle in _known()}.get(choice, Path(choice))
    if check and not folder.exists():
        raise InputError(f"the models you picked, {choice}, are gone", "pick others: umi models use umi-mini")
    return folder


def _unknown(name: str) -> InputError:
    near = difflib.get_close_matches(name, [bundle.name for bundle in _known()], n=1)
    guess = f"did you mean {near[0]}? see: umi models list" if near else "see what there is: umi models list"
    return InputError(f"there are no models named {name or '(nothing)'} and no such folder", guess)


def _existing(name: str) -> Path | None:
    """The path that `name` is, if there is something at it."""
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError):  # too long or closed to us; ~ of nobody
        return None


def _known() -> list[Listed]:
    """The bundles that have a name: the shipped one and every folder with a manifest among the user's."""
    own = sorted(path.parent for path in models_folder().glob(f"[!.]*/{MANIFEST}"))
    rows = [Listed(SHIPPED.name, SHIPPED, shipped=True, picked=False)]
    return rows + [Listed(folder.name, folder, False, False) for folder in own if folder.name != SHIPPED.name]
