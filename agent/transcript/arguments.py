"""What an argument of a tool may be made of, so that a model can be held to it.

A parameter is annotated with it: `path: Annotated[str, Copied(glue="/")]`. One without is free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Copied:
    """Text that the user or a tool said, as it stands there and within one line."""

    glue: str = ""
    """Characters that may come before, between and after several copied pieces: `/` in a path."""
    any_case: bool = False
    """Whether it may be copied in lower case or in capitals."""
    values: Callable[[], Iterable[str]] = tuple
    """Returns texts that need not be said, such as the names of units."""


@dataclass(frozen=True)
class Derived:
    """A number or text whose numbers are those of the conversation, or what its words stand for.

    `agent.llama.grammar.numbers` holds the tables.
    """

    form: Literal["expression", "number", "days", "date", "text"]


ArgumentKind = Copied | Derived
