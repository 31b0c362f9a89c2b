"""The bundles in the package: deltas over a base that has to be pulled, and a small one that is whole.

The deltas run by default wherever their base is on this machine, the small bundle elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from agent.bundle.bundle import load_bundle
from agent.bundle.download.bases import base_folder
from agent.bundle.manifest import DELTAS, MANIFEST
from agent.errors import BundleError
from agent.paths import SHIPPED, SHIPPED_DELTAS, models_folder


def shipped_bundles() -> dict[str, Path]:
    """Return the folders of the bundles in the package by name; of deltas that are built, where they are."""
    return {SHIPPED_DELTAS.name: built_deltas() or SHIPPED_DELTAS, SHIPPED.name: SHIPPED}


def default_bundle() -> Path:
    """Return the folder of the bundle that runs where the user selected none."""
    if built := built_deltas():
        return built
    try:
        base = load_bundle(SHIPPED_DELTAS).base
    except BundleError:
        return SHIPPED
    try:
        here = base is not None and (base_folder(base.name) / base.file).stat().st_size == base.size
    except OSError:
        here = False
    return SHIPPED_DELTAS if here else SHIPPED


def built_deltas() -> Path | None:
    """Return the folder that the deltas of this version of the package were built in, if they were."""
    built = models_folder() / SHIPPED_DELTAS.name
    try:
        same = (built / DELTAS / MANIFEST).read_bytes() == (SHIPPED_DELTAS / MANIFEST).read_bytes()
    except OSError:
        return None
    return built if same and (built / MANIFEST).is_file() else None
