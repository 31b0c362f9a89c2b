"""The progress of a stage: a bar in a terminal, a line at each logged step elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

Say = Callable[[str], None]
"""Prints one line of progress."""


@dataclass(frozen=True)
class StepProgress:
    """A finished step of `total`."""

    step: int
    total: int
    loss: float
    """Mean over the last `log_steps` steps."""
    tokens_per_second: float
    seconds_left: float


class Progress:
    """Displays the steps of a stage. Call `close` before other output."""

    def __init__(self, stage: str, total: int, done: int, say: Say) -> None:
        self._stage, self._say, self._bar = stage, say, None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=total,
                initial=done,
                desc=stage,
                dynamic_ncols=True,
                bar_format="{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt}{postfix}",
            )

    def show_step(self, step: StepProgress, *, log: bool) -> None:
        """Display a finished step; without a bar only if `log`."""
        left = format_duration(step.seconds_left)
        text = f"loss {step.loss:.4f}  {step.tokens_per_second:,.0f} tokens/s  {left} left"
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update()
        elif log:
            self._say(f"{self._stage}: step {step.step}/{step.total}  {text}")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar.clear()
        self._say(f"{self._stage}: {line}")
        if self._bar is not None:
            self._bar.refresh()

    def close(self) -> None:
        """Stop updating the bar. May be called more than once."""
        if self._bar is not None:
            self._bar.close()


def format_duration(seconds: float) -> str:
    """Return a duration as text: `45s`, `3m10s`, `2h05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
