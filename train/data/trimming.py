"""A trajectory that is too long, cut where a turn begins, never in the middle of what is learnt.

What goes is what the agent drops first in use when its context is full (`agent.loop`): whole oldest
exchanges, then the oldest steps of the last one. The tools, the last question and the last step stay whole.
The agent then shortens observations too; here that row is left out, since an answer learnt from an
observation that was cut would teach making things up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agent.transcript import PlannerTurn, Transcript, UserTurn


def trim(transcript: Transcript, fits: Callable[[Transcript], bool]) -> Transcript | None:
    """`transcript` without the least that has to go until it `fits`; None where it cannot be made to."""
    for shorten in (_without_exchange, _without_step):
        while not fits(transcript):
            shorter = shorten(transcript)
            if shorter is None:
                break
            transcript = shorter
    return transcript if fits(transcript) else None


def _without_exchange(transcript: Transcript) -> Transcript | None:
    turns = transcript.turns
    questions = [i for i, turn in enumerate(turns) if isinstance(turn, UserTurn)]
    return replace(transcript, turns=turns[questions[1] :]) if len(questions) > 1 else None


def _without_step(transcript: Transcript) -> Transcript | None:
    turns = transcript.turns
    steps = [i for i, turn in enumerate(turns) if isinstance(turn, PlannerTurn) and turn.next == "caller"]
    if len(steps) < 2:
        return None
    return replace(transcript, turns=(*turns[: steps[0]], *turns[steps[1] :]))
