"""The models to choose from: bundles and bases on this machine, and the catalogue, each with its figures.

Nothing here connects to a network; what is not on this machine is known from the catalogue alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.bundle import Bundle, load_bundle
from agent.bundle.download.bases import base_names, find_base
from agent.bundle.download.catalogue import CataloguedBase, read_catalogue
from agent.bundle.store import find_bundle, list_bundles
from agent.config import EngineSettings
from agent.errors import UmiError
from agent.llama.binding.memory_estimate import WORKING_BYTES, needed_bytes
from agent.llama.gguf.header import read_header
from agent.llama.speed.estimate import Q8_0, Rates, Speed, Weights, expected_speed, weights_of
from agent.transcript import ROLES

State = Literal["bundle", "base", "catalogue"]
"""A bundle to run; a base on this machine, to run as a stock model or to train on; a base to pull."""
TENSOR_TYPES: Mapping[str, int] = {"Q4_1": 3, "Q8_0": Q8_0, "Q4_K_M": 12}
"""ggml's number of the type that most weights of a catalogued file have."""


@dataclass(frozen=True)
class ModelEntry:
    """A model to choose."""

    name: str
    state: State
    size: int
    """Of its files, in bytes."""
    license: str
    memory: int
    """Peak memory in bytes when it runs; for a base in the catalogue without the key-value cache."""
    weights: tuple[Weights, ...] = ()
    """Of each of its files; empty where they cannot be read."""
    selected: bool = False
    """Whether it is the bundle that runs by default."""
    approximate: bool = False
    """Whether `size` is rounded and `memory` a lower bound: nobody has seen the file here."""
    about: str = ""
    """A description, or the reason why it cannot be used, in one line."""
    usable: bool = True

    def speed(self, rates: Mapping[int, Rates]) -> Speed | None:
        """Return the expected speed of its slowest file; None where nothing is known of it."""
        if not rates or not self.weights:
            return None
        return min((expected_speed(one, rates) for one in self.weights), key=lambda speed: speed.write)


def list_models(settings: EngineSettings) -> list[ModelEntry]:
    """Return the bundles here, then the bases here, then what else the catalogue has."""
    here = {name: _base_entry(name) for name in base_names()}
    bundles = [_bundle_entry(row.name, row.folder, row.selected, settings) for row in list_bundles()]
    offered = [_catalogue_entry(base) for base in read_catalogue() if base.name not in here]
    return [*bundles, *here.values(), *offered]


def tensor_types(entries: Iterable[ModelEntry]) -> set[int]:
    """Return ggml's numbers of the types that the speed of these models depends on."""
    return {kind for entry in entries for one in entry.weights for kind in one.byte_counts}


def _bundle_entry(name: str, folder: Path, selected: bool, settings: EngineSettings) -> ModelEntry:
    try:
        bundle = load_bundle(find_bundle(str(folder)))
    except UmiError as error:
        return ModelEntry(name, "bundle", 0, "", 0, selected=selected, about=str(error), usable=False)
    roles = len({file.file for file in bundle.roles.values()})
    about = f"{bundle.layout}, {roles} model{'s' if roles > 1 else ''}, {bundle.context_length} tokens"
    if bundle.base:
        base = bundle.base.name
        when = "built at first use" if base in base_names() else f"get it with: umi models pull {base}"
        about = f"deltas over {base}; {when}"
    return ModelEntry(
        name,
        "bundle",
        sum(file.size for file in bundle.files),
        bundle.license or "not given",
        needed_bytes(bundle, ROLES, settings),
        _weights(bundle),
        selected,
        about=about,
    )


def _weights(bundle: Bundle) -> tuple[Weights, ...]:
    found = []
    for file in dict.fromkeys(role.file for role in bundle.roles.values()):
        try:
            found.append(weights_of(read_header(bundle.folder / file)))
        except (OSError, UmiError):
            return ()
    return tuple(found)


def _base_entry(name: str) -> ModelEntry:
    size, licence = 0, ""
    try:
        base = find_base(name)
        size, licence = base.size, base.license
        weights = weights_of(read_header(base.path))
    except UmiError as error:
        return ModelEntry(name, "base", size, licence, 0, about=str(error), usable=False)
    about = "runs as a stock model, or roles are trained on it"
    memory = base.size + WORKING_BYTES
    return ModelEntry(name, "base", base.size, base.license, memory, (weights,), about=about)


def _catalogue_entry(base: CataloguedBase) -> ModelEntry:
    kind = TENSOR_TYPES[base.type]
    return ModelEntry(
        base.name,
        "catalogue",
        base.size,
        base.license,
        base.size + WORKING_BYTES,
        (Weights(0, {kind: base.size}, {kind: base.parameters}),),
        approximate=base.sha256 is None,
        about=base.description,
    )
