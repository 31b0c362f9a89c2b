"""`umi train bench COMMAND …`: how fast training is beside TRL, and how much memory it takes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from agent.extras import Parser

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
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {text}" for name, (text, _) in COMMANDS.items())
    parser = Parser(
        prog="umi train bench",
        description=bench.__doc__,
        epilog=f"commands:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    command = parser.parse_args(argv[:1]).command
    module, function = COMMANDS[command][1].split(":")
    return getattr(import_module(module), function)(argv[1:])
