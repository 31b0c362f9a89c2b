"""What a stage learns from rows: the same trajectories, with the turns of one role or of all marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from agent.encoding import Encoded, encode, view_roles
from agent.prompts import CHATML, Markers, Tokenize
from agent.transcript import Row


@dataclass(frozen=True)
class View:
    """Rows as one stage reads them, and how many were left out."""

    rows: tuple[Encoded, ...]
    """Trajectories, or what leads to one turn and that turn."""
    too_long: int
    """Rows longer than the recipe's `max_length`."""
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
) -> View:
    """`rows` for stage 1 (`backbone`) or for a role.

    What follows the last turn to learn is cut off, since nothing reads it; rows are else whole or left out.
    With `by_turn` each turn to learn makes a row, which ends with it and learns nothing else.
    """
    roles = view_roles(name)
    kept: list[Encoded] = []
    prefixes: dict[bytes, np.ndarray] = {}
    too_long = nothing = 0
    for row in rows:
        encoded = encode(row.transcript, roles, tokenize, markers)
        if not encoded.targets:
            nothing += 1
            continue
        end = int(np.flatnonzero(encoded.learn)[-1]) + 1
        prefix = prefixes.setdefault(encoded.prefix.tobytes(), encoded.prefix)
        encoded = replace(encoded, prefix=prefix, rest=encoded.rest[:end], learn=encoded.learn[:end])
        if len(encoded) > max_length:
            too_long += 1
        else:
            kept.extend(turns_of(encoded) if by_turn else [encoded])
    return View(tuple(kept), too_long, nothing)


def turns_of(encoded: Encoded) -> Iterator[Encoded]:
    """One row for each turn that `encoded` learns: all before it as history, and the turn."""
    before = np.concatenate([[False], encoded.learn[:-1]])
    for start in np.flatnonzero(encoded.learn & ~before):
        unlearnt = np.flatnonzero(~encoded.learn[start:])
        end = start + unlearnt[0] if len(unlearnt) else len(encoded.rest)
        yield replace(encoded, rest=encoded.rest[:end], learn=np.arange(end) >= start)
