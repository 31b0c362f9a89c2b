"""How a transcript is shortened until it fits: one policy for use and for training.

Whole oldest exchanges go first, then the oldest steps of the last one. In use (`make_room`) the longest
observations are halved after that. In training they are not: an answer learnt from an observation that was
cut would teach making things up. The tools, the last question and the last step's thought and calls never go.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import replace

from agent.transcript import PlannerTurn, ToolTurn, Transcript, UserTurn

FREED_FRACTION = 1 / 3
"""The fraction of the conversation's room that is freed once a turn has to be dropped in use."""

_CUT_MARK = "… (the rest was cut)"
_SHORTEST_CUT = 120
"""Minimum length in characters of an observation that is halved."""

Fits = Callable[[Transcript], bool]


def drop_oldest(transcript: Transcript, fits: Fits, fits_after_drop: Fits | None = None) -> Transcript:
    """Return `transcript` without its oldest exchanges and then steps, the fewest with which it `fits`.

    It may not fit even so. Where `fits_after_drop` is given, exchanges (or steps) go on being dropped until
    that holds, once one had to go.
    """
    for shorten in (_without_oldest_exchange, _without_oldest_step):
        if not fits(transcript) and (shorter := list(_successively(shorten, transcript))):
            enough = fits_after_drop or fits
            first = bisect_left(shorter, True, hi=len(shorter) - 1, key=enough)
            transcript = shorter[first]
    return transcript


def _successively(
    shorten: Callable[[Transcript], Transcript | None], transcript: Transcript
) -> Iterator[Transcript]:
    while shorter := shorten(transcript):
        yield shorter
        transcript = shorter


def make_room(
    transcript: Transcript, room: Callable[[Transcript], int], needed: int
) -> tuple[Transcript, int]:
    """Return a transcript that leaves `needed` tokens by `room`, and how many turns were dropped or halved.

    It leaves fewer where nothing more can go. What stays after a drop moves to another position and must be
    decoded again, so a drop frees FREED_FRACTION of the conversation's room: the next is several turns away.
    """

    def roomy(shorter: Transcript) -> bool:
        longest_conversation = room(replace(transcript, turns=())) - needed
        return room(shorter) >= needed + int(max(0, longest_conversation) * FREED_FRACTION)

    def fits(shorter: Transcript) -> bool:
        return room(shorter) >= needed

    shorter = drop_oldest(transcript, fits, roomy)
    changed = len(transcript.turns) - len(shorter.turns)
    while not fits(shorter) and (halved := _with_longest_observation_halved(shorter)):
        shorter, changed = halved, changed + 1
    return shorter, changed


def dropped_questions(before: Transcript, after: Transcript) -> tuple[tuple[str, ...], int]:
    """Return the questions that `make_room` dropped, oldest first, and how many turns went with them."""
    questions = [(at, turn.content) for at, turn in enumerate(before.turns) if isinstance(turn, UserTurn)]
    gone = len(questions) - sum(isinstance(turn, UserTurn) for turn in after.turns)
    first_kept = questions[gone][0] if gone else 0
    return tuple(text for _, text in questions[:gone]), first_kept


def _without_oldest_exchange(transcript: Transcript) -> Transcript | None:
    """Return `transcript` from its second question on; None if it has only one."""
    turns = transcript.turns
    second = next((i for i in range(1, len(turns)) if isinstance(turns[i], UserTurn)), None)
    return replace(transcript, turns=turns[second:]) if second else None


def _without_oldest_step(transcript: Transcript) -> Transcript | None:
    """Return `transcript` without its first step that called tools; None if there is no later step."""
    turns = transcript.turns
    steps = [i for i, turn in enumerate(turns) if isinstance(turn, PlannerTurn) and turn.next == "caller"]
    if len(steps) < 2:
        return None
    return replace(transcript, turns=(*turns[: steps[0]], *turns[steps[1] :]))


def _with_longest_observation_halved(transcript: Transcript) -> Transcript | None:
    """Return `transcript` with the longest observation cut to its first half; None if all are short."""
    turns = transcript.turns
    observations = [(i, turn) for i, turn in enumerate(turns) if isinstance(turn, ToolTurn)]
    index, longest = max(observations, key=lambda at: len(at[1].content), default=(0, ToolTurn("", "")))
    length = len(longest.content)
    if length < _SHORTEST_CUT:
        return None
    halved = replace(longest, content=f"{longest.content[: length // 2]}\n{_CUT_MARK}")
    return replace(transcript, turns=(*turns[:index], halved, *turns[index + 1 :]))
