"""Sampling and shuffling of rows from files that may be larger than memory."""

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
    """Files that are one source of rows, with their weight in a mixture."""

    path: Path
    files: tuple[Path, ...]
    weight: float = 1.0
    cap: int | None = None
    """Maximum number of rows of the result from these files."""


def allocate(inputs: Sequence[Input], sizes: Sequence[int], count: int | None) -> list[int]:
    """Return the number of rows taken from each input; `sizes` are the numbers of rows they have.

    Without `count` an input gives its weight times its size. With it, the inputs share `count` rows by
    weight; rows in excess of a cap are distributed over the other inputs by weight.
    """
    if count is None:
        wanted = (math.floor(entry.weight * size + 0.5) for entry, size in zip(inputs, sizes, strict=True))
        return [
            min(n, n if entry.cap is None else entry.cap) for entry, n in zip(inputs, wanted, strict=True)
        ]
    counts = [0] * len(inputs)
    uncapped = list(range(len(inputs)))
    while uncapped:
        left = count - sum(counts)
        whole = math.fsum(inputs[at].weight for at in uncapped)
        quotas = {at: left * inputs[at].weight / whole for at in uncapped}
        capped = [at for at in uncapped if (cap := inputs[at].cap) is not None and cap <= quotas[at]]
        if not capped:
            break
        for at in capped:
            counts[at] = inputs[at].cap or 0
        uncapped = [at for at in uncapped if at not in capped]
    else:
        return counts
    for at in uncapped:
        counts[at] = math.floor(quotas[at])
    # The largest remainder method (Hamilton): rows left by rounding down go to the largest remainders.
    short = count - sum(counts)
    for at in sorted(uncapped, key=lambda at: counts[at] - quotas[at])[:short]:
        counts[at] += 1
    return counts


def draw(entry: Input, size: int, take: int, rng: random.Random) -> Iterator[Line]:
    """Yield `take` of the `size` rows of an input in order, each as often as the others or once more.

    Raise InputError if the files no longer contain `size` rows.
    """
    times, extra = divmod(take, size)
    seen = 0
    for file in entry.files:
        for line in read_lines(file):
            # Selection sampling (Knuth, The Art of Computer Programming, vol. 2, 3.4.2, algorithm S).
            more = (size - seen) * rng.random() < extra
            extra -= more
            seen += 1
            for _ in range(times + more):
                yield line
    if seen != size:
        raise InputError(f"{entry.path} changed while it was read", "give the command again")


def shuffled(lines: Iterable[bytes], rng: random.Random, folder: Path) -> Iterator[bytes]:
    """Yield `lines` (without line ends) in random order, using an unnamed file in `folder`.

    Memory: 8 bytes a line.
    """
    starts = array("Q")
    with tempfile.TemporaryFile(dir=folder) as spool:
        for line in lines:
            starts.append(spool.tell())
            spool.write(line + b"\n")
        rng.shuffle(starts)
        for start in starts:
            spool.seek(start)
            yield spool.readline()[:-1]
