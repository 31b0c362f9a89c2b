"""`python -m train COMMAND …`, which is also `umi train COMMAND …`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from agent.errors import UmiError
from train.arguments import Parser

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("train one stage of a recipe, or all that are not finished", "train.commands:run"),
    "data": ("make training or held-out data", "train.data:data"),
    "base": ("make a small base model from scratch", "train.commands:base"),
    "glpft": ("train both stages and all roles of a recipe", "train.commands:glpft"),
}
"""Name -> (help, module:function). It takes the rest of the command line and returns an exit code."""

EXTRA = frozenset({"torch", "transformers", "peft", "bitsandbytes", "tokenizers", "safetensors"})
"""Packages of the `train` extra."""


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit code; what a person can mend is one line on stderr."""
    given = sys.argv[1:] if argv is None else argv
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {text}" for name, (text, _) in COMMANDS.items())
    parser = Parser(
        prog="umi train",
        description="Make the data and the models.",
        epilog=f"commands:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    try:
        command = parser.parse_args(given[:1]).command
        module, function = COMMANDS[command][1].split(":")
        return getattr(import_module(module), function)(given[1:])
    except UmiError as error:
        print(f"umi: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        print("umi: training needs torch and friends; pip install 'umi-agent[train]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("umi: stopped; run the same command to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
