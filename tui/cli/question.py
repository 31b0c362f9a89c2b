"""The question of `umi ask`, from its arguments and from standard input."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from agent.config import expand_template
from agent.errors import InputError

INPUT_LIMIT = 4_000_000
"""The most bytes read of standard input: far more than a context holds."""

_SILENCE_S = 2.0
"""Seconds to wait for a silent pipe before saying so."""


@dataclass(frozen=True)
class Question:
    """A question; `quotes` says whether what was piped in stands beside what was typed."""

    text: str
    quotes: bool


def read_question(words: Sequence[str], template: str | None = None) -> Question:
    """Return `words`, then a blank line and what is piped in; either may be missing.

    With a `template`, `words` are put into it. Raises InputError where both are empty and for more than
    `INPUT_LIMIT` bytes.
    """
    typed = " ".join(words).encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
    if template is not None:
        typed = expand_template(template, typed)
    piped = _read_stdin(bool(typed)).strip()
    question = f"{typed}\n\n{piped}" if typed and piped else typed or piped
    if not question:
        raise InputError(
            "the question is empty", 'write it after the command: umi ask "what is 17.5% of 240?"'
        )
    return Question(question, bool(typed and piped))


def _read_stdin(has_question: bool) -> str:
    """Return what standard input holds. With a question, only a pipe or a file is read.

    Others (a socket, a device) may be inherited and never end.
    """
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):  # no standard input, or a closed one
        return ""
    if os.isatty(descriptor) or (has_question and not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode))):
        return ""
    if stat.S_ISFIFO(mode) and not select.select([descriptor], [], [], _SILENCE_S)[0]:
        print(
            "waiting for standard input to end (put </dev/null behind the command to go without)",
            file=sys.stderr,
        )
    try:
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            data = stream.read(INPUT_LIMIT + 1)
    except OSError as error:
        raise InputError(f"standard input cannot be read: {error.strerror}", "pipe in a file") from None
    if len(data) > INPUT_LIMIT:
        raise InputError(
            f"standard input holds more than {INPUT_LIMIT} bytes",
            "pipe in the part that the question is about",
        )
    return data.decode("utf-8", "replace")
