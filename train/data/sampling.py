"""Drawing rows from files that may be larger than memory: how many of each, which ones, in what order."""

from __future__ import annotations

import math
import random
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import InputError
from agent.transcript.rows import Line, read_lines


@dataclass(frozen=True)
class Input:
    """Files that count as one source of rows, and how much of them is wanted."""

    path: Path
    files: tuple[Path, ...]
    weight: float = 1.0
    cap: int | None = None
    """Rows of the result that come from here, at most."""


def takes(inputs: Sequence[Input], sizes: Sequence[int], count: int | None) -> list[int]:
    """How many rows each input gives; `sizes` are the rows it has.

    Without `count` each gives its weight times its rows. With it, they share `count` rows by weight; what a
    cap holds back goes to the others, by their weights.
    """
    if count is None:
        wanted = (math.floor(one.weight * size + 0.5) for one, size in zip(inputs, sizes, strict=True))
        return [min(n, n if one.cap is None else one.cap) for one, n in zip(inputs, wanted, strict=True)]
    given = [0] * len(inputs)
    open_ = list(range(len(inputs)))
    while open_:
        left = count - sum(given)
        whole = math.fsum(inputs[at].weight for at in open_)
        quotas = {at: left * inputs[at].weight / whole for at in open_}
        capped = [at for at in open_ if (cap := inputs[at].cap) is not None and cap <= quotas[at]]
        if not capped:
            break
        for at in capped:
            given[at] = inputs[at].cap or 0
        open_ = [at for at in open_ if at not in capped]
    else:
        return given
    for at in open_:
        given[at] = math.floor(quotas[at])
    # Largest remainders, the method of Hamilton: what rounding down left goes where most was cut off.
    short = count - sum(given)
    for at in sorted(open_, key=lambda at: given[at] - quotas[at])[:short]:
        given[at] += 1
    return given


def draw(one: Input, size: int, take: int, rng: random.Random) -> Iterator[Line]:
    """`take` of the `size` rows of an input, in their order; how often two rows come differs by one at most.

    Raises InputError where the files no longer hold `size` rows.
    """
    times, extra = divmod(take, size)
    seen = 0
    for file in one.files:
        for line in read_lines(file):
            # Selection sampling (Knuth, The Art of Computer Programming, vol. 2, 3.4.2, algorithm S).
            more = (size - seen) * rng.random() < extra
            extra -= more
            seen += 1
            for _ in range(times + more):
                yield line
    if seen != size:
        raise InputError(f"{one.path} changed while it was read", "give the command again")


def shuffled(lines: Iterable[bytes], rng: random.Random, folder: Path) -> Iterator[bytes]:
    """`lines` (without line ends) in random order. They wait in a nameless file in `folder`; memory holds
    8 bytes a line."""
    starts = array("Q")
    with tempfile.TemporaryFile(dir=folder) as spool:
        for line in lines:
            starts.append(spool.tell())
            spool.write(line + b"\n")
        rng.shuffle(starts)
        for start in starts:
            spool.seek(start)
            yield spool.readline()[:-1]
