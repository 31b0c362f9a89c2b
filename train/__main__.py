"""`python -m train COMMAND …`, which is also `umi train COMMAND …`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from agent.extras import run_command

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("train the stages of a recipe that are not finished, or one of them", "train.commands:run"),
    "data": ("make, import, check, show and mix rows", "train.data.commands:data"),
    "base": ("make a small base model from scratch", "train.commands:base"),
    "glpft": ("train both stages and all roles of a recipe", "train.commands:glpft"),
    "bench": ("measure training: speed beside TRL's, and memory", "train.benchmark.command:bench"),
    "push": ("upload a finished run to the Hugging Face hub", "train.run.push:push"),
}
"""Name -> (help, module:function). It takes the rest of the command line and returns an exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; what a person can mend is one line on stderr."""
    given = sys.argv[1:] if argv is None else argv
    return run_command("train", "Make the data and the models.", COMMANDS, given)


if __name__ == "__main__":
    sys.exit(main())
