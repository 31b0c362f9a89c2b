"""What came of an attack: how much was tried, and what happened that must not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Result:
    """Counts of an attack of `cases` that are named so; `also` counts what else came of them.

    `wrong` has, by kind, what must not have happened; a kind without any is shown as 0.
    """

    cases: str
    count: int = 0
    also: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def allow_none(self, *kinds: str) -> None:
        """Name kinds of outcomes of which there must be none."""
        for kind in kinds:
            self.wrong.setdefault(kind, [])

    def fail(self, kind: str, what: str) -> None:
        """Note an outcome that must not be."""
        self.wrong.setdefault(kind, []).append(what)

    @property
    def holds(self) -> bool:
        """Whether nothing happened that must not."""
        return not any(self.wrong.values())

    def __str__(self) -> str:
        also = "".join(f", {count:,} {what}" for what, count in self.also.items())
        wrong = ", ".join(f"{len(found)} {kind}" for kind, found in self.wrong.items())
        return f"{self.count:,} {self.cases}{also}; {wrong}"


def add_findings(result: Result, module: str, folder: Path, count: int) -> None:
    """Run a module of the attacks as a program, which forks what it kills; add what it prints to `result`."""
    command = [sys.executable, "-P", "-m", f"attacks.{module}", str(folder), str(count)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        result.fail("crashes", done.stderr[-2000:])
        return
    found = json.loads(done.stdout)
    result.count = found["count"]
    result.also.update(found["also"])
    for kind, what in found["wrong"]:
        result.fail(kind, what)


def share(full: int, scale: float) -> int:
    """Return how many of `full` cases a run of this scale tries; at least one."""
    return max(1, round(full * scale))
