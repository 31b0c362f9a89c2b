"""`umi train data make`: synthetic trajectories as a schema-1 file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from agent.errors import InputError
from agent.transcript import Split
from train.data.foreign.reading import read_foreign
from train.data.rows import write_rows
from train.data.synthetic.generate import generate_rows
from train.data.synthetic.group import BUILTIN_SHARE


def make(
    out: Path,
    say: Callable[[str], None],
    *,
    count: int = 1000,
    split: Split = "train",
    seed: int = 1,
    plain: float = BUILTIN_SHARE,
    foreign: Sequence[Path] = (),
) -> int:
    """Write `count` synthetic rows of `split` to `out`, training or held-out data; return the exit code.

    `plain` is the share of lists of exactly the built-in tools; tools and requests of the files `foreign` are
    mixed into half of the other lists. Raise InputError for a number out of range and where `out` cannot be
    written.
    """
    if count < 1:
        raise InputError(f"--count is {count}", "give a number of at least 1")
    if not 0 <= plain <= 1:
        raise InputError(f"--plain is {plain}", "give a share from 0 to 1")
    collection = read_foreign(foreign) if foreign else None
    rows = generate_rows(seed, split, count, plain=plain, collection=collection)
    say(f"{out}: {write_rows(out, rows)} rows")
    return 0
