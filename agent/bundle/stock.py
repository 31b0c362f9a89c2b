"""A base as a bundle: its model plays all three roles in its own chat format (layout `single`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.bundle import MANIFEST
from agent.bundle.assemble import assemble
from agent.bundle.download.bases import base_names, find_base
from agent.bundle.store import find_bundle
from agent.paths import models_folder


def runnable_bundle(name: str, say: Callable[[str], None]) -> Path:
    """Return the folder of the bundle `name`, made of the base of that name where there is only that.

    Making it takes some seconds, in which the model is loaded and its bias to call tools is measured; the
    file of the base is linked, not copied, where the disk allows. Raise UmiError as `find_bundle` and
    `assemble` do.
    """
    folder = models_folder() / name
    if name not in base_names() or (folder / MANIFEST).exists() or Path(name).exists():
        return find_bundle(name)
    base = find_base(name)
    say(f"making a bundle of the base {name}, once")
    return assemble(folder, {}, backbone=base.path, dialect="chat", warn=say).folder
