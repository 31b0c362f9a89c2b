"""Thoughts that cannot be right: a line is quoted that nobody has read, or another question is thought of."""

from __future__ import annotations

import re

from agent.transcript import PlannerTurn, ToolTurn, Transcript, UserTurn

_QUOTED = re.compile(
    r"(?<!\bso the )\blines? (?:\d+ )?(?:of [^:]{1,60}? )?"
    r"(?:(?:then )?says?: |is (?=[^ ]*[,;\t]))(?P<line>.+)",
    re.IGNORECASE,
)
_AFTER = re.compile(r" - |, so |: I will |\. |; | \| ")
_BEGINNING = 2
"""Words of a line that are compared: what a thought goes on with varies."""


def is_wrong(thought: str, transcript: Transcript) -> bool:
    """Return whether the planner should think again."""
    return bool(invented_line(thought, transcript)) or is_repeated(thought, transcript)


def is_repeated(thought: str, transcript: Transcript) -> bool:
    """Return whether the last thought on the question before, for which tools were called, comes again."""
    *before, last = transcript.turns
    starts = [at for at, turn in enumerate(before) if isinstance(turn, UserTurn)]
    if not isinstance(last, UserTurn) or not starts or before[starts[-1]] == last:
        return False
    exchange = before[starts[-1] :]
    thoughts = [turn.content for turn in exchange if isinstance(turn, PlannerTurn)]
    return any(isinstance(turn, ToolTurn) for turn in exchange) and thoughts[-1] == thought


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
