"""`umi train data make`: synthetic trajectories as a schema-1 file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.errors import InputError
from agent.extras import Parser, say
from train.data.rows import write_rows
from train.data.synthetic.generate import generate_rows


def make(argv: Sequence[str]) -> int:
    """Make training or held-out data."""
    parser = Parser(prog="umi train data make", description=make.__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="schema-1 file to write")
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="rows")
    parser.add_argument("--split", choices=["train", "valid", "test"], default="train")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--plain", type=float, default=0.6, metavar="P", help="share of tool lists with the built-in names"
    )
    given = parser.parse_args(argv)
    if given.count < 1:
        raise InputError(f"--count is {given.count}", "give a number of at least 1")
    if not 0 <= given.plain <= 1:
        raise InputError(f"--plain is {given.plain}", "give a share from 0 to 1")
    made = generate_rows(given.seed, given.split, given.count, plain=given.plain)
    say(f"{given.out}: {write_rows(given.out, made)} rows")
    return 0
