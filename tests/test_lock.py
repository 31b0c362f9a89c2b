"""constraints.txt names every package that our two commands install, and nothing but names and versions."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires

import pytest
from install import wheel_id
from lock import GROUPS, LOCK, ROOT, locked, locked_group, normalized, requirements

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
    assert "scripts/install.py base" in makefile
    assert "scripts/install.py dev" in makefile
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_what_the_app_needs_is_in_the_first_group() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {normalized(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in project["dependencies"]}
    assert needed <= locked_group("\n".join(LINES) + "\n", "base").keys()


def test_each_package_is_in_one_group() -> None:
    text = "\n".join(LINES) + "\n"
    groups = [locked_group(text, group) for group in GROUPS]
    assert sum(map(len, groups)) == len(locked(text))
    assert {name for name in groups[0] if name in ("torch", "trl", "pytest")} == set()
    assert "llama-cpp-python" in groups[0]
    assert "torch" in groups[1]
    assert "trl" in groups[2]


@pytest.mark.parametrize(
    ("file", "package"),
    [
        ("llama_cpp_python-0.3.36-py3-none-linux_x86_64.whl", ("llama-cpp-python", "0.3.36")),
        ("torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl", ("torch", "2.13.0")),
        ("ruamel.yaml-1.0-py3-none-any.whl", ("ruamel-yaml", "1.0")),
    ],
)
def test_a_fetched_wheel_is_recognized(file: str, package: tuple[str, str]) -> None:
    assert wheel_id(file) == package
