"""`umi train data COMMAND …`: schema-1 rows made, imported, checked, shown and mixed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from agent.extras import dispatch

COMMANDS: dict[str, tuple[str, str]] = {
    "make": ("make synthetic rows, to train on or held out", "train.data.make:make"),
    "import": ("turn data of another format into rows", "train.data.importing:import_rows"),
    "check": (
        "look at every line: is it valid, is it there twice, does it fit",
        "train.data.checks.check:check",
    ),
    "show": ("print rows as the models see them", "train.data.show:show"),
    "mix": ("draw rows from several files and shuffle them", "train.data.mix:mix"),
}
"""Name -> (help, module:function). It takes the rest of the command line and returns an exit code."""

BROKEN_PIPE = 141
"""What a shell reports for a program that the reader of its output left (128 + SIGPIPE)."""


def data(argv: Sequence[str]) -> int:
    """Make, import, check, show and mix training data."""
    about = "Rows of training data: JSON lines of schema 1, plain or gzip, in files or folders."
    try:
        code = dispatch("umi train data", about, COMMANDS, argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise the interpreter's last flush fails again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code
