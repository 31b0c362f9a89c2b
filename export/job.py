"""The inputs that every step of an export needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from export.build_folder import BuildFolder
from export.deltas import Deltas
from export.options import Options, Say
from export.quantize.speed import Speed
from train.run.finished import Run


@dataclass(frozen=True)
class ExportJob:
    """An export: the run, where its files are made, and the options."""

    run: Run
    base: Mapping[str, str]
    """sha256 of each file of the run's base, by name."""
    build: BuildFolder
    options: Options
    say: Say
    deltas: Deltas | None = None
    """The adapters that the models are built of, where the bundle is to be one of deltas."""
    speeds: dict[str, Speed] = field(default_factory=dict)
    """Of the models in each type that was measured on this machine."""
