"""What every step of an export is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from export.build_folder import BuildFolder
from export.options import Options, Say
from train.run.finished import Run


@dataclass(frozen=True)
class ExportJob:
    """A run to be exported, and where and how."""

    run: Run
    base: Mapping[str, str]
    """sha256 of each file of the run's base, by name."""
    build: BuildFolder
    options: Options
    say: Say
