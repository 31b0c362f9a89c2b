"""Completion of command lines by a shell: the script that asks for it, and the answers."""

from __future__ import annotations

import os
from typing import Any

from agent.errors import UmiError

VARIABLE = "_UMI_COMPLETE"
"""Set by the script where the shell wants an answer instead of a run."""


def script(shell: str) -> str:
    """Return the script for `bash`, `zsh` or `fish`, to be evaluated by it."""
    from typer._completion_shared import get_completion_script

    return get_completion_script(prog_name="umi", complete_var=VARIABLE, shell=shell)


def answer(command: Any) -> int | None:
    """Print the completions that a shell asks for and return the exit code; None where none does."""
    instruction = os.environ.get(VARIABLE)
    if not instruction:
        return None
    from typer._completion_classes import completion_init
    from typer.completion import shell_complete

    completion_init()
    try:
        return shell_complete(command, {}, "umi", VARIABLE, instruction)
    except UmiError:
        return 0  # the line has a mistake before the place to complete


def model_names(incomplete: str) -> list[str]:
    """Return the names of bundles and bases that begin so."""
    from agent.bundle.download.bases import base_names
    from agent.bundle.store import list_bundles

    try:
        names = {*(bundle.name for bundle in list_bundles()), *base_names()}
    except (OSError, UmiError):
        return []
    return sorted(name for name in names if name.startswith(incomplete))


def catalogue_names(incomplete: str) -> list[str]:
    """Return the names of bases that can be pulled and begin so."""
    from agent.bundle.download.catalogue import read_catalogue

    return [base.name for base in read_catalogue() if base.name.startswith(incomplete)]


def tool_names(incomplete: str) -> list[str]:
    """Return `a,b,NAME` for each tool with which a list of names can go on."""
    from agent.tool_sources import available_tools
    from agent.tools import OPTIONAL_NAMES

    names = dict.fromkeys((*(tool.name for tool in available_tools().tools), *OPTIONAL_NAMES))

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(last)]


def setting_names(incomplete: str) -> list[str]:
    """Return the names of settings that begin so."""
    from agent.config import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]
