"""The exceptions that umi raises on purpose.

    UmiError                        what failed and the next step, in one line; exit code 1
    ├── InputError                  an argument, a file or a question that cannot be used; exit code 2
    │   ├── BundleError             a model bundle that is missing, damaged or of another version
    │   └── ContextFullError        a prompt that does not fit the models' context
    ├── EngineError                 llama.cpp refused or failed, or memory does not suffice
    └── ToolError                   a tool that failed: shown to the model as an observation
        └── ProtectedPathError      a path that holds credentials, or that other programs obey

The loop turns a `ToolError` into an observation (`error: …`) that the planner reads; any other error ends the
turn, and outside of a turn the command, with its exit code.
"""

from __future__ import annotations

import errno
from pathlib import Path


class UmiError(Exception):
    """A failure in one line: `what` names the thing, `hint` the next step."""

    exit_code = 1
    """The exit code of a command that ends with it."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(f"{what}; {hint}" if hint else what)


class InputError(UmiError):
    """Something that the user gave cannot be used."""

    exit_code = 2


class BundleError(InputError):
    """A model bundle is missing, damaged, or of another version."""


class ContextFullError(InputError):
    """A prompt of `needed` tokens does not fit a context of `available` tokens."""

    def __init__(self, needed: int, available: int) -> None:
        self.needed = needed
        self.available = available
        super().__init__(
            f"the conversation needs {needed} tokens and the models hold {available}",
            "ask something shorter or offer fewer tools with --tools",
        )


class EngineError(UmiError):
    """llama.cpp refused a file or failed to compute, or memory does not suffice."""


class ToolError(UmiError):
    """A tool failed; the text is meant for the model."""


class ProtectedPathError(ToolError):
    """A path holds credentials, or is one that other programs run or obey by themselves."""


def cannot_write(path: Path | str, error: OSError) -> UmiError:
    """Return the error to raise where `path` cannot be written; the hint is the step that helps."""
    hint = "write elsewhere"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        hint = "free space or write elsewhere"
    elif error.errno in (errno.EINVAL, errno.EISDIR):  # another kind of file is in its place
        hint = "move it away or write elsewhere"
    return UmiError(f"{path} cannot be written: {error.strerror or error}", hint)
