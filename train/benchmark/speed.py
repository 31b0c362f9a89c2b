"""`umi train bench trl`: tokens learnt in a second, umi's and TRL's, in one run and in turns."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from agent.errors import InputError
from agent.extras import Parser, say
from train.benchmark.comparison import ARRANGEMENTS, OURS, TITLES, TOKENIZER, compare, prepare
from train.benchmark.machine import installed_version
from train.benchmark.table import print_speed


def speed(argv: Sequence[str]) -> int:
    """Measure how many tokens are learnt in a second, beside TRL's SFTTrainer."""
    parser = Parser(prog="umi train bench trl", description=speed.__doc__)
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="fields of the recipe")
    parser.add_argument("--rows", type=Path, metavar="FILE", help="schema-1 rows (default: synthetic ones)")
    parser.add_argument("--count", type=int, default=40, metavar="N", help="how many rows")
    parser.add_argument(
        "--tools", type=int, default=20, metavar="N", help="tools on a synthetic list, at least"
    )
    parser.add_argument("--layers", type=int, default=6, metavar="N", help="layers of the model")
    parser.add_argument("--hidden", type=int, default=256, metavar="N", help="its width, a multiple of 128")
    parser.add_argument(
        "--vocabulary", type=int, default=TOKENIZER, metavar="N", help="rows of its embedding"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="turns that each system has")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="a turn's length, at least")
    parser.add_argument("--systems", metavar="A,B", help=f"of {', '.join(TITLES)} (default: all)")
    parser.add_argument(
        "--arrangement",
        choices=ARRANGEMENTS,
        help="how TRL reads rows: one a pass, those of similar length padded, or whole ones in one sequence"
        " (default: what a trial finds fastest)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one object of JSON")
    given = parser.parse_intermixed_args(argv)
    for name in ("count", "tools", "layers", "hidden", "rounds"):
        if getattr(given, name) < 1:
            raise InputError(f"--{name} is {getattr(given, name)}", "give a number of at least 1")
    if given.hidden % 128:
        raise InputError(f"--hidden is {given.hidden}", "give a multiple of 128")
    if given.vocabulary < TOKENIZER:
        raise InputError(f"--vocabulary is {given.vocabulary}", f"give at least {TOKENIZER}")
    names = _chosen(given.systems)

    from train.benchmark.checkpoints import small

    with tempfile.TemporaryDirectory(prefix="umi-bench-") as folder:
        dimensions = small(given.hidden, given.layers, given.vocabulary)
        task = prepare(given.rows, given.count, given.tools, dimensions, given.overrides, Path(folder))
        result = compare(task, names, given.arrangement, given.rounds, given.seconds, say)
    if given.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print_speed(result)
    return 0


def _chosen(systems: str | None) -> list[str]:
    """The systems to run, umi first, since the others are compared with it."""
    names = list(TITLES) if systems is None else [name.strip() for name in systems.split(",")]
    for name in names:
        if name not in TITLES:
            raise InputError(
                f"there is no system {name or 'without a name'}", f"there are {', '.join(TITLES)}"
            )
    if any(name != OURS for name in names) and not installed_version("trl"):
        raise InputError(
            "`umi train bench trl` needs trl, which is not installed", "pip install 'umi-agent[bench]'"
        )
    return [name for name in TITLES if name == OURS or name in names]
