"""What every step of an export is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from export.options import Options, Say
from export.run import Run
from export.work import Work


@dataclass(frozen=True)
class Job:
    """A run to be exported, and where and how."""

    run: Run
    base: Mapping[str, str]
    """sha256 of each file of the run's base, by name."""
    work: Work
    options: Options
    say: Say
