"""What a stage learns from rows: the same trajectories, with the turns of one role or of all marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from agent.prompting import CHATML, Markers, Tokenize, segment
from agent.prompting.encoding import Encoded, view_roles
from agent.prompting.trimming import drop_oldest
from agent.transcript import Row, Transcript
from train.data.prompt_format import INFERENCE_FORMAT, PromptFormat


@dataclass(frozen=True)
class View:
    """Rows as one stage reads them, and how many were left out."""

    rows: tuple[Encoded, ...]
    """Trajectories, or what leads to one turn and that turn."""
    too_long: int
    """Rows left out: not even their last step fits the recipe's `max_length`."""
    trimmed: int
    """Rows whose oldest exchanges or steps were dropped to fit."""
    nothing_to_learn: int
    """Rows without a turn of the view's role."""

    @property
    def targets(self) -> int:
        """Tokens that are learnt."""
        return sum(row.targets for row in self.rows)


def view(
    rows: Iterable[Row],
    name: str,
    tokenize: Tokenize,
    max_length: int,
    markers: Markers = CHATML,
    *,
    by_turn: bool = False,
    wording: PromptFormat = INFERENCE_FORMAT,
) -> View:
    """`rows` for stage 1 (`backbone`) or for a role.

    What follows the last turn to learn is cut off, since nothing reads it; rows longer than `max_length` lose
    their oldest steps or are left out. With `by_turn` each turn to learn makes a row, which ends with it and
    learns nothing else.
    """
    kept: list[Encoded] = []
    prefixes: dict[bytes, np.ndarray] = {}
    too_long = trimmed = nothing = 0

    def read(transcript: Transcript) -> Encoded:
        encoded = wording.encode(transcript, name, tokenize, markers)
        end = int(np.flatnonzero(encoded.learn)[-1]) + 1 if encoded.targets else 0
        return replace(encoded, rest=encoded.rest[:end], learn=encoded.learn[:end])

    for row in rows:
        transcript = up_to_last(row.transcript, name)
        encoded = read(transcript)
        if not encoded.targets:
            nothing += 1
            continue
        if len(encoded) > max_length:
            encoded = read(drop_oldest(transcript, lambda shorter: len(read(shorter)) <= max_length))
            if len(encoded) > max_length:
                too_long += 1
                continue
            trimmed += 1
        prefix = prefixes.setdefault(encoded.prefix.tobytes(), encoded.prefix)
        encoded = replace(encoded, prefix=prefix)
        kept.extend(turns_of(encoded) if by_turn else [encoded])
    return View(tuple(kept), too_long, trimmed, nothing)


def up_to_last(transcript: Transcript, name: str) -> Transcript:
    """`transcript` up to the last turn that the view `name` learns; without turns where there is none."""
    roles = view_roles(name)
    ends = [i for i, turn in enumerate(transcript.turns, start=1) if segment(turn).role in roles]
    return replace(transcript, turns=transcript.turns[: ends[-1] if ends else 0])


def turns_of(encoded: Encoded) -> Iterator[Encoded]:
    """One row for each turn that `encoded` learns: all before it as history, and the turn."""
    before = np.concatenate([[False], encoded.learn[:-1]])
    for start in np.flatnonzero(encoded.learn & ~before):
        unlearnt = np.flatnonzero(~encoded.learn[start:])
        end = start + unlearnt[0] if len(unlearnt) else len(encoded.rest)
        yield replace(encoded, rest=encoded.rest[:end], learn=np.arange(end) >= start)
