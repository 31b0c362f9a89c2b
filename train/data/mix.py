"""`umi train data mix`: one shuffled file of rows drawn from several, by weight and up to a cap."""

from __future__ import annotations

import argparse
import math
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.errors import InputError
from agent.extras import Parser, say
from agent.transcript import compact
from agent.transcript.rows import read_lines, row_files, row_of
from train.data.rows import write_lines
from train.data.sampling import Input, allocate, draw, shuffled

PROGRESS = 50_000
"""Rows between progress lines."""

_DESCRIPTION = """\
Draw rows from several files and shuffle them into one.

Each FILE is rows or a folder of them; =WEIGHT and @CAP may follow it: old.jsonl=0.5@2000.
  without --count  the weight is a multiple of the rows there are: =1 (the default) allocate
                   each row once, =0.5 a random half of them, =3 each row three times
  with --count N   the weight is a share of the N rows: a.jsonl=3 b.jsonl=1 gives three
                   quarters and one quarter; where a file has fewer rows than its share,
                   they are repeated, each as often as the others
  @CAP             allocate at most so many rows of that file, repeats included; with
                   --count, the other files make up for what it holds back
Rows keep their source, split and id. The same seed and files give the same result.
"""
_WEIGHT, _CAP = "=(?P<weight>[^=@]*)", "@(?P<cap>[^=@]*)"
_INPUTS = [
    re.compile(f"(?P<path>.*){weight}{cap}", re.DOTALL) for weight in ("", _WEIGHT) for cap in ("", _CAP)
]
"""How an input may be read. Names of files may hold the signs too: the first that names a file is right."""


def mix(argv: Sequence[str]) -> int:
    """Draw rows from several files and shuffle them into one."""
    parser = Parser(
        prog="umi train data mix",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="+", metavar="FILE[=WEIGHT][@CAP]", help="where rows come from")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="schema-1 file to write")
    parser.add_argument("--count", type=int, metavar="N", help="rows of the result")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--allow-test", action="store_true", help="take rows of the test split too")
    given = parser.parse_args(argv)
    if given.count is not None and given.count < 1:
        raise InputError(f"--count is {given.count}", "give a number of at least 1")
    inputs = [input_of(text) for text in given.inputs]
    for one in inputs:
        for file in one.files:
            if os.path.exists(given.out) and given.out.samefile(file):
                raise InputError(f"{file} is mixed in and is to be written", "give --out another name")
    sizes = [rows_of(one, given.allow_test) for one in inputs]
    shares = allocate(inputs, sizes, given.count)
    if not sum(shares):
        raise InputError("these weights and caps take no rows", "raise them")
    sources: Counter[str] = Counter()
    rng = random.Random(f"{given.seed} order")
    lines = drawn(inputs, sizes, shares, given.seed, sources)
    total = write_lines(given.out, shuffled(lines, rng, given.out.parent))
    for one, size, share in zip(inputs, sizes, shares, strict=True):
        repeated = f", repeated {share / size:.1f} times" if share > size else ""
        say(f"{one.path}: {share:,} rows of {size:,}{repeated} ({share / total:.1%} of the result)")
    say("by source: " + ", ".join(f"{count:,} {source}" for source, count in sources.most_common()))
    if given.count is not None and total < given.count:
        say(f"the caps leave {given.count - total:,} rows fewer than --count")
    say(f"{given.out}: {total:,} rows")
    return 0


def input_of(text: str) -> Input:
    """The input that `FILE[=WEIGHT][@CAP]` names. Raises InputError for what is no number and for no file."""
    found = [form.fullmatch(text) for form in _INPUTS]
    parts = [match.groupdict() for match in found if match]
    # Where none names a file, the reading that allocate most signs for signs tells best what is missing.
    part = next((part for part in parts if os.path.exists(part["path"])), parts[-1])
    path = Path(part["path"])
    weight = _weight(part["weight"], text) if "weight" in part else 1.0
    cap = _cap(part["cap"], text) if "cap" in part else None
    files = tuple(row_files(path))
    for file in files:
        if not file.is_file():
            raise InputError(f"{file} is no file", "mix reads everything twice: save it as a file first")
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


def rows_of(one: Input, allow_test: bool) -> int:
    """How many rows an input has. Raises InputError for a bad line, for none, and for rows of a test set."""
    count = 0
    for file in one.files:
        for line in read_lines(file):
            if row_of(line).split == "test" and not allow_test:
                raise InputError(
                    f"{file}, line {line.number} is a row of the test split",
                    "leave such rows out of what is trained on, or say --allow-test",
                )
            count += 1
            if count % PROGRESS == 0:
                say(f"{one.path}: {count:,} rows read")
    if not count:
        raise InputError(f"{one.path} holds no rows", "leave it out")
    return count


def drawn(
    inputs: Sequence[Input], sizes: Sequence[int], shares: Sequence[int], seed: int, sources: Counter[str]
) -> Iterator[bytes]:
    """The rows of all inputs as lines of JSON, one input after the other; `sources` counts them."""
    for at, (one, size, share) in enumerate(zip(inputs, sizes, shares, strict=True)):
        for line in draw(one, size, share, random.Random(f"{seed} {at}")):
            value = line.value()
            sources[value["source"]] += 1
            yield compact(value).encode("utf-8")
