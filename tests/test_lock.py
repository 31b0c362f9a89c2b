"""constraints.txt names every package that our two commands install, and nothing but names and versions."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires

import pytest
from lock import LOCK, ROOT, locked, normalized, requirements

LINES = LOCK.read_text(encoding="utf-8").splitlines()
BENCH_ONLY = {"trl"}
"""Direct dependencies that the tests do not install."""


@pytest.mark.parametrize("name", requirements())
def test_every_dependency_of_pyproject_is_locked(name: str) -> None:
    assert name in locked("\n".join(LINES))


@pytest.mark.parametrize("name", sorted(set(requirements()) - BENCH_ONLY))
def test_what_a_dependency_needs_is_locked_too(name: str) -> None:
    needed = [line for line in requires(name) or [] if ";" not in line]
    names = [normalized(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in needed]
    assert set(names) <= locked("\n".join(LINES)).keys()


def test_the_lock_holds_names_and_exact_versions_only() -> None:
    assert [line for line in LINES if not re.fullmatch(r"#.*|[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []


def test_every_direct_dependency_has_a_lower_bound() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "lock.py"), "--oldest"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert locked(done.stdout).keys() == requirements().keys()


def test_the_commands_of_readme_install_what_is_locked() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert makefile.count("-c $(LOCK)") == 2
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
