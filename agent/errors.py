"""The errors umi raises on purpose.

    UmiError                what happened and the next step, in one line; exit code 1
    ├── InputError          something the person gave cannot be used; exit code 2
    │   ├── BundleError     a model folder is missing, damaged or of another version
    │   └── ContextFull     the question does not fit the models' context
    ├── EngineError         llama.cpp refused or failed
    └── ToolError           a tool could not do what it was asked: shown to the model, never to the shell

A `ToolError` becomes an observation (`error: …`) that the planner reads; every other one ends the command.
"""

from __future__ import annotations

import errno
from pathlib import Path


class UmiError(Exception):
    """A failure told in one line: `what` names the thing, `hint` names the next step."""

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(f"{what}; {hint}" if hint else what)


class InputError(UmiError):
    """Something the person gave cannot be used."""

    exit_code = 2


class BundleError(InputError):
    """A model bundle is missing, damaged, or made for another version."""


class ContextFull(InputError):
    """A prompt of `needed` tokens does not fit a context of `available` tokens."""

    def __init__(self, needed: int, available: int) -> None:
        self.needed = needed
        self.available = available
        super().__init__(
            f"the conversation needs {needed} tokens and the models hold {available}",
            "ask something shorter or offer fewer tools with --tools",
        )


class EngineError(UmiError):
    """llama.cpp refused a file or failed while computing."""


class ToolError(UmiError):
    """A tool could not do what it was asked; the text is meant for the model."""


def cannot_write(path: Path | str, error: OSError) -> UmiError:
    """What to raise where a file could not be written; only a full disk is a matter of space."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return UmiError(
        f"{path} cannot be written: {error.strerror or error}",
        "free space or write elsewhere" if full else "write elsewhere",
    )
