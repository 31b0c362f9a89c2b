"""Statistics of the lengths of rows: quantiles and a histogram."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agent.errors import InputError
from agent.prompting import Tokenize
from agent.prompting.encoding import load_tokenize

QUANTILES = (0, 25, 50, 75, 95, 99, 100)
"""In per cent; 0 is the shortest row and 100 the longest."""
_BAR_WIDTH = 40


class Lengths:
    """A collection of lengths of rows, in any unit."""

    def __init__(self) -> None:
        self._lengths = array("Q")

    def add(self, length: int) -> None:
        """Add the length of a row."""
        self._lengths.append(length)

    def quantiles(self) -> dict[str, int]:
        """Return per cent -> the length that so many rows do not exceed; empty without rows."""
        if not self._lengths:
            return {}
        values = np.quantile(self._lengths, np.array(QUANTILES) / 100, method="inverted_cdf")
        return {str(q): int(value) for q, value in zip(QUANTILES, values, strict=True)}

    def histogram(self) -> list[tuple[int, int, int]]:
        """Return (from, to, rows) of the intervals between powers of two, without empty ones at the ends."""
        if not self._lengths:
            return []
        # frexp gives the exponent e with 2^(e-1) <= length < 2^e; a length of 0 has e = 0.
        counts = np.bincount(np.frexp(np.array(self._lengths, np.float64))[1])
        first = int(np.flatnonzero(counts)[0])
        return [(2**e >> 1, max(2**e - 1, 0), int(counts[e])) for e in range(first, len(counts))]

    def lines(self, unit: str) -> Iterator[str]:
        """Yield the quantiles on one line, then the histogram; nothing without rows."""
        if not self._lengths:
            return
        quantiles = self.quantiles()
        shortest, *middle, longest = quantiles.items()
        text = ", ".join(f"{q} % up to {value:,}" for q, value in middle)
        yield f"{unit} a row: {shortest[1]:,} to {longest[1]:,}; {text}"
        bins = self.histogram()
        most = max(count for *_, count in bins)
        for low, high, count in bins:
            bar = "#" * -(-count * _BAR_WIDTH // most)
            yield f"  {f'{low:,}-{high:,}':>21}  {bar:<{_BAR_WIDTH}}  {count:,}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """Return the quantiles by per cent, and the histogram as [from, to, rows]."""
        return {"quantiles": self.quantiles(), "histogram": self.histogram()}


def open_tokenize(base: Path) -> Tokenize:
    """Load the tokenizer from a base model's folder. Raise InputError if that is not possible."""
    try:
        return load_tokenize(base)
    except ImportError:
        raise
    except Exception as error:  # tokenizers raises nothing narrower
        what = str(error).splitlines()[0]
        raise InputError(
            f"{base / 'tokenizer.json'} cannot be used: {what}", "name a base model's folder"
        ) from None
