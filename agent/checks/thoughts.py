"""What a thought says that a line says: it stands in what the models have read."""

from __future__ import annotations

import re

from agent.transcript import ToolTurn, Transcript, UserTurn

_QUOTED = re.compile(
    r"(?<!\bso the )\blines? (?:\d+ )?(?:of [^:]{1,60}? )?"
    r"(?:(?:then )?says?: |is (?=[^ ]*[,;\t]))(?P<line>.+)",
    re.IGNORECASE,
)
_AFTER = re.compile(r" - |, so |: I will |\. |; | \| ")
_BEGINNING = 2
"""Words of a line that are compared: what a thought goes on with varies."""


def invented_line(thought: str, transcript: Transcript) -> str:
    """Return the line that `thought` quotes and nothing that was read holds; empty where there is none."""
    if not (found := _QUOTED.search(thought)):
        return ""
    line = _AFTER.split(found["line"])[0]
    beginning = " ".join(_words(line).split()[:_BEGINNING])
    said = [turn.content for turn in transcript.turns if isinstance(turn, ToolTurn | UserTurn)]
    return "" if any(beginning in _words(text) for text in said) else line


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
