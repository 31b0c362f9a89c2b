"""`umi train data mix`: one shuffled file of rows drawn from several, by weight and up to a cap."""

from __future__ import annotations

import math
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from agent.errors import InputError
from agent.transcript import compact
from agent.transcript.rows import read_lines, row_files, row_of
from train.data.rows import write_lines
from train.data.sampling import Input, allocate, draw, shuffled

PROGRESS = 50_000
"""Rows between progress lines."""

_WEIGHT, _CAP = "=(?P<weight>[^=@]*)", "@(?P<cap>[^=@]*)"
_INPUTS = [
    re.compile(f"(?P<path>.*){weight}{cap}", re.DOTALL) for weight in ("", _WEIGHT) for cap in ("", _CAP)
]
"""The forms of an input. File names may contain `=` and `@` too: the first form that names a file counts."""


def mix(
    sources: Sequence[str],
    out: Path,
    say: Callable[[str], None],
    *,
    count: int | None = None,
    seed: int = 1,
    allow_test: bool = False,
) -> int:
    """Draw rows from several files and shuffle them into `out`; return the exit code.

    Each of `sources` is `FILE[=WEIGHT][@CAP]`. Without `count`, a weight is a multiple of the rows there are;
    with it, a share of the `count` rows of the result. A cap is the most rows taken of a file, repeats
    included. Raise InputError for what cannot be read, and for rows of the test split unless `allow_test`.
    """
    if count is not None and count < 1:
        raise InputError(f"--count is {count}", "give a number of at least 1")
    inputs = [parse_input(text) for text in sources]
    for entry in inputs:
        for file in entry.files:
            if os.path.exists(out) and out.samefile(file):
                raise InputError(f"{file} is mixed in and is to be written", "give --out another name")
    sizes = [count_rows(entry, allow_test, say) for entry in inputs]
    shares = allocate(inputs, sizes, count)
    if not sum(shares):
        raise InputError("these weights and caps take no rows", "raise them")
    by_source: Counter[str] = Counter()
    rng = random.Random(f"{seed} order")
    lines = draw_lines(inputs, sizes, shares, seed, by_source)
    total = write_lines(out, shuffled(lines, rng, out.parent))
    for entry, size, share in zip(inputs, sizes, shares, strict=True):
        repeated = f", repeated {share / size:.1f} times" if share > size else ""
        say(f"{entry.path}: {share:,} rows of {size:,}{repeated} ({share / total:.1%} of the result)")
    say("by source: " + ", ".join(f"{rows:,} {source}" for source, rows in by_source.most_common()))
    if count is not None and total < count:
        say(f"the caps leave {count - total:,} rows fewer than --count")
    say(f"{out}: {total:,} rows")
    return 0


def parse_input(text: str) -> Input:
    """Parse `FILE[=WEIGHT][@CAP]`.

    Raise InputError for a weight or cap that is not a number, and for no file.
    """
    found = [form.fullmatch(text) for form in _INPUTS]
    parts = [match.groupdict() for match in found if match]
    # Where none names a file, the form with the most signs gives the best message.
    part = next((part for part in parts if os.path.exists(part["path"])), parts[-1])
    path = Path(part["path"])
    weight = _weight(part["weight"], text) if "weight" in part else 1.0
    cap = _cap(part["cap"], text) if "cap" in part else None
    files = tuple(row_files(path))
    for file in files:
        if not file.is_file():
            raise InputError(f"{file} is not a file", "mix reads everything twice: save it as a file first")
    return Input(path, files, weight, cap)


def _weight(number: str, text: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not (math.isfinite(weight) and weight > 0):
        raise InputError(f"{text}: the weight is {number!r}", "give a number above 0")
    return weight


def _cap(number: str, text: str) -> int:
    if not number.isascii() or not number.isdigit() or int(number) < 1:
        raise InputError(f"{text}: the cap is {number!r}", "give a whole number of at least 1")
    return int(number)


def count_rows(entry: Input, allow_test: bool, say: Callable[[str], None]) -> int:
    """Return the number of rows of an input.

    Raise InputError for a bad line, for none, and for rows of a test set.
    """
    count = 0
    for file in entry.files:
        for line in read_lines(file):
            if row_of(line).split == "test" and not allow_test:
                raise InputError(
                    f"{file}, line {line.number} is a row of the test split",
                    "leave such rows out of what is trained on, or say --allow-test",
                )
            count += 1
            if count % PROGRESS == 0:
                say(f"{entry.path}: {count:,} rows read")
    if not count:
        raise InputError(f"{entry.path} holds no rows", "leave it out")
    return count


def draw_lines(
    inputs: Sequence[Input], sizes: Sequence[int], shares: Sequence[int], seed: int, sources: Counter[str]
) -> Iterator[bytes]:
    """Yield the rows of all inputs as lines of JSON, one input after the other; `sources` counts them."""
    for at, (entry, size, share) in enumerate(zip(inputs, sizes, shares, strict=True)):
        for line in draw(entry, size, share, random.Random(f"{seed} {at}")):
            value = line.value()
            sources[value["source"]] += 1
            yield compact(value).encode("utf-8")
