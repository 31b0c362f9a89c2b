"""The rows of a benchmark: a file's, or synthetic ones with tool lists of a given length."""

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
    """Return the first `count` rows of `file`, or that many synthetic ones with at least `tools` tools.

    Raise InputError where the file holds none.
    """
    if file is None:
        return [extend_tools(row, tools) for row in generate_rows(seed, "train", count)]
    found = list(islice(read_rows(file), count))
    if not found:
        raise InputError(f"{file} holds no row", "name a file of schema-1 rows")
    return found


def extend_tools(row: Row, count: int) -> Row:
    """Return `row` with more tools of the generator on its list, until there are `count` or no more are left.

    Rows that shared a list still share one. An added tool may be the one that an answer says is missing,
    which does not change the cost of training.
    """
    offered = row.transcript.tools
    missing = max(0, count - len(offered))
    return replace(row, transcript=replace(row.transcript, tools=(*offered, *_others(offered)[:missing])))


def _others(offered: Sequence[ToolSpec]) -> list[ToolSpec]:
    taken = {tool.name for tool in offered}
    return [spec for spec in (*BUILTIN.values(), *FOREIGN.values()) if spec.name not in taken]
