"""`python -m export COMMAND …`, which is also `umi export COMMAND …`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from agent.extras import run_command

COMMANDS: dict[str, tuple[str, str]] = {
    "bundle": ("make a bundle of a finished run", "export.commands:bundle"),
    "convert": ("write a checkpoint folder as one GGUF file", "export.commands:convert"),
    "verify": ("prove a bundle again, alone or against its run", "export.proof.verify:verify"),
    "push": ("upload a finished bundle to the Hugging Face hub", "export.push:push"),
}
"""Name -> (help, module:function). It takes the rest of the command line and returns an exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; what a person can mend is one line on stderr."""
    given = sys.argv[1:] if argv is None else argv
    return run_command("export", "Turn trained models into files that umi runs.", COMMANDS, given)


if __name__ == "__main__":
    sys.exit(main())
