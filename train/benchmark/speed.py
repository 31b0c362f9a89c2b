"""`umi train bench trl`: training throughput (target tokens per second) of umi and of TRL, in turns."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.errors import InputError
from train.benchmark.comparison import OURS, TITLES, TOKENIZER_SIZE, compare, prepare
from train.benchmark.machine import installed_version
from train.benchmark.table import print_speed


def speed(
    overrides: Sequence[str],
    say: Callable[[str], None],
    *,
    rows: Path | None = None,
    count: int = 40,
    tools: int = 20,
    layers: int = 6,
    hidden: int = 256,
    vocabulary: int = TOKENIZER_SIZE,
    rounds: int = 3,
    seconds: float = 10.0,
    systems: str | None = None,
    arrangement: str | None = None,
    as_json: bool = False,
) -> int:
    """Measure training throughput beside TRL's SFTTrainer, in target tokens per second; print the figures.

    `overrides` are fields of the recipe; `count` rows come from the file `rows`, or are synthetic with at
    least `tools` tools each. The model has random weights in `layers` layers of width `hidden`. Each of
    `systems` (names of `TITLES`, divided by commas) has `rounds` turns of at least `seconds`. Returns the
    exit code. Raise InputError for a number out of range and an unknown system.
    """
    numbers = {"count": count, "tools": tools, "layers": layers, "hidden": hidden, "rounds": rounds}
    for name, number in numbers.items():
        if number < 1:
            raise InputError(f"--{name} is {number}", "give a number of at least 1")
    if hidden % 128:
        raise InputError(f"--hidden is {hidden}", "give a multiple of 128")
    if vocabulary < TOKENIZER_SIZE:
        raise InputError(f"--vocabulary is {vocabulary}", f"give at least {TOKENIZER_SIZE}")
    names = select_systems(systems)

    from train.benchmark.checkpoints import small

    with tempfile.TemporaryDirectory(prefix="umi-bench-") as folder:
        dimensions = small(hidden, layers, vocabulary)
        task = prepare(rows, count, tools, dimensions, overrides, Path(folder))
        result = compare(task, names, arrangement, rounds, seconds, say)
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print_speed(result)
    return 0


def select_systems(systems: str | None) -> list[str]:
    """Return the names of the systems to run, umi first, since the others are compared with it."""
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
