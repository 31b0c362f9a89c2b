"""Lengths of rows: one number a row is kept, and told as quantiles and a small histogram."""

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
_BAR = 40


class Lengths:
    """Lengths of rows, in whatever unit."""

    def __init__(self) -> None:
        self._lengths = array("Q")

    def add(self, length: int) -> None:
        """Take up one row."""
        self._lengths.append(length)

    def quantiles(self) -> dict[str, int]:
        """Per cent -> the length that so many rows do not exceed. Empty without rows."""
        if not self._lengths:
            return {}
        values = np.quantile(self._lengths, np.array(QUANTILES) / 100, method="inverted_cdf")
        return {str(q): int(value) for q, value in zip(QUANTILES, values, strict=True)}

    def histogram(self) -> list[tuple[int, int, int]]:
        """(from, to, rows) between powers of two, from the first that is not empty to the last."""
        if not self._lengths:
            return []
        # frexp gives the exponent e with 2^(e-1) <= length < 2^e; a length of 0 has e = 0.
        counts = np.bincount(np.frexp(np.array(self._lengths, np.float64))[1])
        first = int(np.flatnonzero(counts)[0])
        return [(2**e >> 1, max(2**e - 1, 0), int(counts[e])) for e in range(first, len(counts))]

    def lines(self, unit: str) -> Iterator[str]:
        """The quantiles on one line and the histogram below it; nothing without rows."""
        if not self._lengths:
            return
        quantiles = self.quantiles()
        shortest, *middle, longest = quantiles.items()
        told = ", ".join(f"{q} % up to {value:,}" for q, value in middle)
        yield f"{unit} a row: {shortest[1]:,} to {longest[1]:,}; {told}"
        bins = self.histogram()
        most = max(count for *_, count in bins)
        for low, high, count in bins:
            bar = "#" * -(-count * _BAR // most)
            yield f"  {f'{low:,}-{high:,}':>21}  {bar:<{_BAR}}  {count:,}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """The quantiles by per cent, and the histogram as [from, to, rows]."""
        return {"quantiles": self.quantiles(), "histogram": self.histogram()}


def open_tokenize(base: Path) -> Tokenize:
    """The tokenizer of a base model's folder. Raises InputError where there is none."""
    try:
        return load_tokenize(base)
    except ImportError:
        raise
    except Exception as error:  # tokenizers raises nothing narrower
        what = str(error).splitlines()[0]
        raise InputError(
            f"{base / 'tokenizer.json'} cannot be used: {what}", "name a base model's folder"
        ) from None
