"""Command lines whose mistakes are told in one line."""

from __future__ import annotations

import argparse
from typing import NoReturn

from agent.errors import InputError


class Parser(argparse.ArgumentParser):
    """An argument parser that raises InputError where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError with argparse's message."""
        raise InputError(message, f"see {self.prog} --help")
