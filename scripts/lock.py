"""Write constraints.txt: the exact version of every package that umi, its extras and its tests install.

`--oldest` prints each direct dependency at its lower bound instead, for `make test-oldest`. torch keeps the
version that constraints.txt names, since its newest release may be a build for GPUs of several gigabytes;
`--torch VERSION` moves it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "constraints.txt"
PROJECT = "umi-agent"
PYTHON = (3, 11)
"""The version that the lock is resolved for: the oldest one supported."""
HEADER = (
    "# Made by `make lock`, for Python 3.11. Names and exact versions only: pip, uv and pipx all take it.\n"
)
GROUPS = {"base": ".", "dev": ".[dev]", "bench": ".[dev,bench]"}
"""What is resolved, the smallest first; each group of the lock holds what those before it lack."""


def normalized(name: str) -> str:
    """Return the name of a package as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> dict[str, str]:
    """Return name -> version of the lines of a constraints file."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {normalized(name): version for name, version in pairs}


def locked_group(text: str, group: str) -> dict[str, str]:
    """Return name -> version of one of GROUPS in a constraints file."""
    return locked(text.partition(f"# {group}\n")[2].partition("#")[0])


def requirements() -> dict[str, str]:
    """Return name -> lower bound of every direct dependency in pyproject.toml, those of extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: dict[str, str] = {}
    for line in chain(project["dependencies"], *project["optional-dependencies"].values()):
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?:>=\s*([0-9][^,;\s]*))?", line)
        assert match, line
        if normalized(match[1]) != project["name"]:
            found[normalized(match[1])] = match[2] or ""
    return found


def resolve(target: str, torch: str) -> dict[str, str]:
    """Return name -> version of all packages that pip would install today, in an empty environment."""
    pinned = [] if target == "." else [f"torch=={torch}"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    report = subprocess.run(
        [*pip, "--dry-run", "--ignore-installed", "--report", "-", *pinned, target],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    installed = (one["metadata"] for one in json.loads(report.stdout)["install"])
    # A local label such as `+cpu` names a build that one index has and another has not.
    return {normalized(one["name"]): one["version"].partition("+")[0] for one in installed}


def main() -> None:
    """Write the lock, or print the lower bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oldest", action="store_true")
    parser.add_argument("--torch", default=locked(LOCK.read_text(encoding="utf-8"))["torch"])
    given = parser.parse_args()
    if given.oldest:
        print("".join(f"{name}=={bound}\n" for name, bound in requirements().items() if bound), end="")
        return
    if sys.version_info[:2] != PYTHON:
        sys.exit("the lock is resolved for Python 3.11; name one with: make lock PYTHON=python3.11")
    versions: dict[str, str] = {}
    lines = [HEADER]
    for group, target in GROUPS.items():
        found = resolve(target, given.torch)
        found.pop(PROJECT)
        lines.append(f"# {group}\n")
        lines += [f"{name}=={found[name]}\n" for name in sorted(found.keys() - versions.keys())]
        versions |= found
    LOCK.write_text("".join(lines), encoding="utf-8")
    print(f"{LOCK.name}: {len(versions)} packages")


if __name__ == "__main__":
    main()
