"""N-gram tables: the token that most often follows the last tokens of a role's turn in its training data.

A table is one file of a bundle, little-endian: the header of `_HEADER`, then as many hashes (uint32), tokens
(uint16 where the vocabulary has at most 65,536 of them, else uint32) and chances (uint8, in 1/255) as it has
entries, in ascending order of their hashes. A hash stands for the last 1 to `order` tokens of a turn, the
first of which may be the start of the turn: a number above the vocabulary that tells whose turn came before.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from agent.errors import BundleError
from agent.prompting.umi import segment
from agent.transcript import ToolTurn, Turn

MAGIC = b"UMIN"
"""The first bytes of a table."""
ORDER = 10
"""Tokens that an entry looks back at, at most."""
MAX_BYTES = 300_000
"""Of a table's file."""
_VERSION = 1
_HEADER = struct.Struct("<4sIIII")
"""MAGIC, version, vocabulary, order, entries."""
BASIS, PRIME, MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF
"""Of the hash of a context: FNV-1a of 32 bits."""
_PREVIOUS = ("user", "tool", "error", "planner", "caller", "summarizer", "system")
"""What came before a turn, in the order of their starts."""


def start_token(turns: Sequence[Turn], vocabulary_size: int) -> int:
    """Return the number that stands for the start of a turn after `turns`.

    It tells whose turn the last one is, and whether that is a result or an error.
    """
    last = turns[-1] if turns else None
    failed = isinstance(last, ToolTurn) and last.error
    previous = "error" if failed else segment(last).role if last else "system"
    return vocabulary_size + _PREVIOUS.index(previous)


def context_hashes(tokens: Sequence[int], order: int) -> list[int]:
    """Return the hashes of the last 1, 2, … `order` tokens: 32-bit FNV-1a over whole tokens, backwards."""
    value, hashes = BASIS, []
    for token in reversed(tokens[-order:]):
        value = (value ^ token) * PRIME & MASK
        hashes.append(value)
    return hashes


class NgramTable:
    """A table in memory."""

    def __init__(self, entries: Mapping[int, tuple[int, float]], order: int = ORDER) -> None:
        """`entries` map the hash of a context to the token that follows and its chance, 0 to 1."""
        self._entries = entries
        self._order = order

    def __len__(self) -> int:
        return len(self._entries)

    def next(self, tokens: Sequence[int]) -> tuple[int, float]:
        """Return the token that follows the longest known end of `tokens`, and its chance; (0, 0.0) for none.

        `tokens` are those of a turn, from its start.
        """
        found = 0, 0.0
        for value in context_hashes(tokens, self._order):
            found = self._entries.get(value, found)
        return found


def pack_table(entries: Mapping[int, tuple[int, float]], vocabulary_size: int, order: int = ORDER) -> bytes:
    """Return the bytes of a table's file."""
    hashes = sorted(entries)
    tokens = [entries[value][0] for value in hashes]
    chances = [round(entries[value][1] * 255) for value in hashes]
    return b"".join(
        (
            _HEADER.pack(MAGIC, _VERSION, vocabulary_size, order, len(hashes)),
            np.array(hashes, dtype="<u4").tobytes(),
            np.array(tokens, dtype=_token_type(vocabulary_size)).tobytes(),
            np.array(chances, dtype=np.uint8).tobytes(),
        )
    )


def entry_limit(vocabulary_size: int) -> int:
    """Return how many entries fit into MAX_BYTES."""
    return (MAX_BYTES - _HEADER.size) // (5 + np.dtype(_token_type(vocabulary_size)).itemsize)


def read_table(path: Path, vocabulary_size: int, hint: str = "") -> NgramTable:
    """Return the table in `path`. Raise BundleError, whose next step is `hint`, where it is not sound."""
    try:
        data = path.read_bytes()
        magic, version, size, order, count = _HEADER.unpack_from(data)
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}", hint) from None
    except struct.error:
        raise BundleError(f"{path} is damaged: it ends in its header", hint) from None
    if magic != MAGIC or version != _VERSION:
        raise BundleError(f"{path} is not an n-gram table of version {_VERSION}", hint)
    if size != vocabulary_size:
        raise BundleError(f"{path} is of {size} tokens, and its model has {vocabulary_size}", hint)
    kind = np.dtype(_token_type(size))
    if len(data) != _HEADER.size + count * (5 + kind.itemsize) or not 1 <= order <= 64:
        raise BundleError(f"{path} is damaged: its length is not that of its {count} entries", hint)
    hashes = np.frombuffer(data, "<u4", count, _HEADER.size)
    tokens = np.frombuffer(data, kind, count, _HEADER.size + 4 * count)
    chances = np.frombuffer(data, np.uint8, count, len(data) - count)
    if count and int(tokens.max()) >= size:
        raise BundleError(f"{path} is damaged: it has a token that its model has not", hint)
    pairs = zip(tokens.tolist(), (chances / 255).tolist(), strict=True)
    return NgramTable(dict(zip(hashes.tolist(), pairs, strict=True)), order)


def _token_type(vocabulary_size: int) -> str:
    return "<u2" if vocabulary_size <= 1 << 16 else "<u4"
