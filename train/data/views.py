"""Training views: the rows as token ids, with the turns of one role or of all marked as targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from agent.prompting import CHATML, Markers, Tokenize, segment
from agent.prompting.encoding import Encoded, view_roles
from agent.prompting.trimming import drop_oldest
from agent.transcript import Row, Transcript
from train.data.prompt_format import INFERENCE_FORMAT, PromptFormat
from train.stored.encoded_rows import EncodedRows


@dataclass(frozen=True)
class View:
    """The encoded rows of a stage, and the numbers of rows changed or left out."""

    rows: EncodedRows
    """Trajectories, or single turns with their history."""
    too_long: int
    """Number of rows left out because not even their last step fits `max_length`."""
    trimmed: int
    """Number of rows whose oldest exchanges or steps were dropped to fit `max_length`."""
    without_targets: int
    """Number of rows without a turn of the view's role."""

    @property
    def targets(self) -> int:
        """Number of target tokens."""
        return self.rows.targets


def view(
    rows: Iterable[Row],
    name: str,
    tokenize: Tokenize,
    max_length: int,
    markers: Markers = CHATML,
    *,
    by_turn: bool = False,
    prompt_format: PromptFormat = INFERENCE_FORMAT,
) -> View:
    """Return the view `name` of `rows`: `backbone` (stage 1) or a role.

    Tokens after the last target are cut off. Rows longer than `max_length` tokens lose their oldest steps or
    are left out. With `by_turn` every target turn becomes a row of its own, which ends with that turn.
    """
    kept = EncodedRows()
    too_long = trimmed = nothing = 0

    def read(transcript: Transcript) -> Encoded:
        encoded = prompt_format.encode(transcript, name, tokenize, markers)
        end = int(np.flatnonzero(encoded.is_target)[-1]) + 1 if encoded.targets else 0
        return replace(encoded, rest=encoded.rest[:end], is_target=encoded.is_target[:end])

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
        for one in turns_of(encoded) if by_turn else (encoded,):
            kept.append(one)
    return View(kept, too_long, trimmed, nothing)


def up_to_last(transcript: Transcript, name: str) -> Transcript:
    """Return `transcript` up to the last target turn of the view `name`; without turns if there is none."""
    roles = view_roles(name)
    ends = [i for i, turn in enumerate(transcript.turns, start=1) if segment(turn).role in roles]
    return replace(transcript, turns=transcript.turns[: ends[-1] if ends else 0])


def turns_of(encoded: Encoded) -> Iterator[Encoded]:
    """Yield a row for each target turn of `encoded`, with everything before it as history."""
    before = np.concatenate([[False], encoded.is_target[:-1]])
    for start in np.flatnonzero(encoded.is_target & ~before):
        unlearnt = np.flatnonzero(~encoded.is_target[start:])
        end = start + unlearnt[0] if len(unlearnt) else len(encoded.rest)
        yield replace(encoded, rest=encoded.rest[:end], is_target=np.arange(end) >= start)
