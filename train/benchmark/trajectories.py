"""The rows that are trained on: a file's, or synthetic ones whose tool lists are as long as asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from agent.errors import InputError
from agent.transcript import Row, ToolSpec
from agent.transcript.rows import read_rows
from train.data.synthetic.generate import generate_rows
from train.data.synthetic.toolset import BUILTIN, FOREIGN


def trajectories(file: Path | None, count: int, tools: int, seed: int) -> list[Row]:
    """The first `count` rows of `file`, or that many synthetic ones with at least `tools` tools on offer.

    Raises InputError where the file holds none.
    """
    if file is None:
        return [lengthened(row, tools) for row in generate_rows(seed, "train", count)]
    read = list(islice(read_rows(file), count))
    if not read:
        raise InputError(f"{file} holds no row", "name a file of schema-1 rows")
    return read


def lengthened(row: Row, count: int) -> Row:
    """`row` with other tools of the generator on offer too, until there are `count`, or no more are left.

    Rows with the same list still have the same one. A request may then be served by a tool that its answer
    says is not there, which makes no difference to what training costs.
    """
    offered = row.transcript.tools
    missing = max(0, count - len(offered))
    return replace(row, transcript=replace(row.transcript, tools=(*offered, *_others(offered)[:missing])))


def _others(offered: Sequence[ToolSpec]) -> list[ToolSpec]:
    taken = {tool.name for tool in offered}
    return [spec for spec in (*BUILTIN.values(), *FOREIGN.values()) if spec.name not in taken]
