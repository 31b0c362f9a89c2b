"""`umi train bench COMMAND …`: how fast training is beside TRL, and how much memory it takes."""

from __future__ import annotations

from collections.abc import Sequence

from agent.extras import dispatch

COMMANDS: dict[str, tuple[str, str]] = {
    "trl": ("tokens learnt in a second, beside TRL's SFTTrainer", "train.benchmark.speed:speed"),
    "memory": (
        "the most memory that training a model of a known shape takes",
        "train.benchmark.memory:memory",
    ),
}
"""Name -> (help, module:function). It takes the rest of the command line and returns an exit code."""


def bench(argv: Sequence[str]) -> int:
    """Measure training on random weights, without a download."""
    return dispatch(
        "umi train bench", "Measure training on random weights, without a download.", COMMANDS, argv
    )
