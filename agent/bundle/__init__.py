"""Model bundles (the manifest, reading and writing, the store, the hub), and the bases they are made of."""

from __future__ import annotations

from agent.bundle.bundle import (
    check_prompt_version,
    load_bundle,
    with_biases,
    with_tables,
    write_bundle,
)
from agent.bundle.files import BundleFile, GgufFile
from agent.bundle.manifest import (
    FORMAT,
    MANIFEST,
    Bundle,
    Dialect,
    Layout,
    RoleFile,
    Sampling,
    repair_hint,
)

__all__ = [
    "FORMAT",
    "MANIFEST",
    "Bundle",
    "BundleFile",
    "Dialect",
    "GgufFile",
    "Layout",
    "RoleFile",
    "Sampling",
    "check_prompt_version",
    "load_bundle",
    "repair_hint",
    "with_biases",
    "with_tables",
    "write_bundle",
]
