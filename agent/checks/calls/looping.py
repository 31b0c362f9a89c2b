"""Calls that say the same over and over: models that loop do not end a turn by themselves."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.checks.answers.loops import LEAST_REPEATS, LONGEST_REPEATED, ending_loop
from agent.checks.answers.sources import Sources
from agent.transcript import Transcript, compact

_NAME = re.compile(r'\{"name":"(\w+)"')


class CallWatch:
    """Reads calls while they are generated, and sees where an argument loops.

    What the transcript holds may be repeated as it stands there, and so may the text of a call that
    `only_reads` does not know by its tool's name: a table or a program may have many like lines.
    """

    def __init__(self, transcript: Transcript, only_reads: Callable[[str], bool]) -> None:
        self._transcript = transcript
        self._only_reads = only_reads
        self._call = ""
        self.loops = False

    def feed(self, text: str) -> str:
        """Take the next piece of the turn; return an empty text, for nothing of it is shown."""
        self._call = (self._call + text).rpartition("\n")[2]
        loop = ending_loop(self._call[-LEAST_REPEATS * LONGEST_REPEATED :])
        name = _NAME.match(self._call)
        if loop and name and self._only_reads(name[1]):
            said = map(compact, Sources.of(self._transcript).said)  # escaped as in the call
            self.loops = not any(loop in text for text in said)
        return ""
