"""The version of the prompts, and the markers that open, divide and close a turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PROMPT_VERSION = 1

Tokenize = Callable[[str, bool], list[int]]
"""(text, special) -> ids; `special` says whether markers in the text become control tokens. Adds no BOS."""


@dataclass(frozen=True)
class Markers:
    """The markers of a turn: open + role + middle + content + close + after.

    `open` and `close` are control tokens of the model.
    """

    open: str = "<|im_start|>"
    middle: str = "\n"
    close: str = "<|im_end|>"
    after: str = "\n"

    def header(self, role: str) -> str:
        """Return the text before the content of a turn of `role`."""
        return f"{self.open}{role}{self.middle}"

    @property
    def end(self) -> str:
        """The text after a turn's content."""
        return f"{self.close}{self.after}"


CHATML = Markers()
