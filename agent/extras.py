"""The optional parts of an installation, `train` and `export`, and what their command lines share.

Nothing of theirs is imported here until one of their commands runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NoReturn

from agent.errors import InputError, UmiError

_TRAIN = (
    *("torch", "transformers", "peft", "bitsandbytes", "accelerate", "tokenizers", "safetensors"),
    *("jsonschema", "matplotlib", "tqdm"),
)
EXTRAS: Mapping[str, tuple[str, ...]] = {"train": _TRAIN, "export": (*_TRAIN, "gguf")}
"""What each extra brings, by the name it is imported by."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises InputError where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError with argparse's message."""
        raise InputError(message, f"see {self.prog} --help")


def say(line: str) -> None:
    """Progress goes to stderr, a line at a time."""
    print(line, file=sys.stderr, flush=True)


def dispatch(
    program: str, description: str, commands: Mapping[str, tuple[str, str]], argv: Sequence[str]
) -> int:
    """Run the command that `argv` begins with, importing it first, and return its exit code.

    `commands` holds name -> (help, module:function); the function takes the rest of `argv`. Raises InputError
    where there is no such command.
    """
    width = max(map(len, commands))
    lines = "\n".join(f"  {name:<{width}}  {text}" for name, (text, _) in commands.items())
    parser = Parser(
        prog=program,
        description=description,
        epilog=f"commands:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=commands, metavar="command")
    command = parser.parse_args(argv[:1]).command
    module, function = commands[command][1].split(":")
    return getattr(import_module(module), function)(argv[1:])


def run_command(
    extra: str, description: str, commands: Mapping[str, tuple[str, str]], argv: Sequence[str]
) -> int:
    """Run the command that `argv` begins with and return its exit code.

    `commands` is as for `dispatch`. What a person can mend, a part of the extra that is not installed among
    it, is one line on stderr.
    """
    try:
        return dispatch(f"umi {extra}", description, commands, argv)
    except UmiError as error:
        return _refuse(error)
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in EXTRAS[extra]:
            raise
        hint = f"pip install 'umi-agent[{extra}]'"
        return _refuse(InputError(f"`umi {extra}` needs {name}, which is not installed", hint))
    except KeyboardInterrupt:
        say("umi: stopped; give the same command again to finish")
        return 130


def _refuse(error: UmiError) -> int:
    # What other libraries said may stand in it, on several lines.
    say(f"umi: {' '.join(str(error).split())}")
    return error.exit_code
