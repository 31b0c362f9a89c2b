"""How fast a model file reads and writes on this machine, by its quantization.

llama.cpp has kernels that compute on several rows at once ("repacked") for some types only, and which ones
depends on the machine: on x86 it has them for Q4_0, Q4_K, IQ4_NL and MXFP4, and on ARM for Q8_0 and others
too. So a coarser type may be the faster one, or the slower.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from math import log
from pathlib import Path
from statistics import median
from time import process_time

from agent.llama.binding.context import Context
from agent.llama.binding.model import Model
from agent.llama.binding.quantize import TYPES

READ_TOKENS = 128
"""Tokens of one decode, the more part of an observation."""
WRITE_TOKENS = 16
"""Tokens that are decoded one by one."""
ROUNDS = 3
EQUAL = 1.05
"""Times of a question that differ by less than about this factor are equal, as measured ones vary by that."""


@dataclass(frozen=True)
class Speed:
    """Tokens a second of processor time, on one thread."""

    read: float
    write: float

    @property
    def seconds(self) -> float:
        """The time of a question that reads 4 tokens for each that it writes, by written tokens.

        Such is one to the shipped models whose tool list is known: 300 tokens read and 75 written, about.
        """
        return 4 / self.read + 1 / self.write


def measure_speeds(files: Mapping[str, Path], rounds: int = ROUNDS) -> dict[str, Speed]:
    """Return the speed of each of `files`, GGUF files by type, which take turns for `rounds` rounds.

    Medians of processor time, so that other programs matter little. One file is loaded at a time.
    """
    spans: dict[str, list[tuple[float, float]]] = {name: [] for name in files}
    for _ in range(rounds):
        for name, file in files.items():
            spans[name].append(_spans(file))
    return {
        name: Speed(*(round(1 / median(times), 2) for times in zip(*pairs, strict=True)))
        for name, pairs in spans.items()
    }


def fastest_first(speeds: Mapping[str, Speed]) -> list[str]:
    """Return the types by the time of a question, the shortest first; of about equal ones the finer first."""
    fineness = list(TYPES)
    return sorted(
        speeds,
        key=lambda kind: (round(log(speeds[kind].seconds) / log(EQUAL)), fineness.index(kind)),
    )


def _spans(file: Path) -> tuple[float, float]:
    """Return the seconds a token of reading and of writing, after one decode of each that is not timed."""
    with closing(Model(file)) as model:
        ids = [3 + at % (model.vocabulary.size - 3) for at in range(READ_TOKENS)]
        length = READ_TOKENS + WRITE_TOKENS + 1
        with closing(Context(model, length, threads=1, flash_attention="off", batch=READ_TOKENS)) as context:
            context.decode(ids[:8])
            context.truncate(0)
            started = process_time()
            context.decode(ids)
            read = process_time()
            for token in ids[:WRITE_TOKENS]:
                context.decode([token])
            return (read - started) / READ_TOKENS, (process_time() - read) / WRITE_TOKENS
