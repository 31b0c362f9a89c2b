"""N-gram tables for drafts: what follows what in each role's training turns, packed into a file.

An entry is kept where it tells more than the entry of its shorter context: another token, or the same one
with another chance. Of those, the ones that decide about most tokens are kept until the file is full.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.bundle import Bundle, load_bundle, with_tables
from agent.bundle.deltas.build import require_base
from agent.errors import InputError
from agent.llama.binding.model import Model
from agent.llama.drafting.ngram_table import (
    BASIS,
    MASK,
    ORDER,
    PRIME,
    entry_limit,
    pack_table,
    start_token,
)
from agent.prompting import segment
from agent.prompting.markers import Markers
from agent.transcript import ROLES, Role, Row
from agent.transcript.rows import read_rows, row_files
from export.options import Say

MAX_ROWS = 6000
"""Rows that a table is made of; more change few entries."""
LEAST_COUNT = 2
"""Occurrences of a context in the turns: what was seen once is mostly a name or a number."""
LEAST_GAIN = 0.15
"""By how much a chance must differ from that of the shorter context to be kept for it."""

Turns = Mapping[Role, Sequence[Sequence[int]]]
"""The turns of each role as tokens, each from its start token to its end token."""


class _Vocabulary(Protocol):
    size: int

    def tokenize(self, text: str, special: bool) -> list[int]: ...


def role_turns(rows: Iterable[Row], vocabulary: _Vocabulary, markers: Markers) -> Turns:
    """Return the turns of each role in `rows`."""
    end = vocabulary.tokenize(markers.close, True)
    turns: dict[Role, list[list[int]]] = defaultdict(list)
    for row in rows:
        before = row.transcript.turns
        for index, turn in enumerate(before):
            piece = segment(turn)
            if piece.role in ROLES:
                start = start_token(before[:index], vocabulary.size)
                content = unicodedata.normalize("NFC", piece.content)
                turns[piece.role].append([start, *vocabulary.tokenize(content, False), *end])
    return turns


def table_entries(
    turns: Sequence[Sequence[int]], limit: int, order: int = ORDER
) -> dict[int, tuple[int, float]]:
    """Return the entries of a table of `turns`: by the hash of a context, a token and its chance."""
    tokens = np.concatenate([np.asarray(turn, np.int64) for turn in turns] or [np.zeros(0, np.int64)])
    depth = np.concatenate([np.arange(len(turn)) for turn in turns] or [np.zeros(0, np.int64)])
    places = np.flatnonzero(depth)  # a start is never guessed
    told = np.full(len(tokens), -1, np.int64)
    chance = np.zeros(len(tokens))
    hashes = np.full(len(tokens), BASIS, np.uint64)
    found: dict[int, tuple[int, float, float]] = {}
    for length in range(1, order + 1):
        places = places[depth[places] >= length]
        if not len(places):
            break
        mixed = hashes[places] ^ tokens[places - length].astype(np.uint64)
        hashes[places] = mixed * np.uint64(PRIME) & np.uint64(MASK)
        group, best, rate, total = _most_common(hashes[places], tokens[places])
        old, old_chance = told[places][group.first], chance[places][group.first]
        gain = np.where(best == old, np.abs(rate - old_chance), np.maximum(rate, old_chance))
        kept = (total >= LEAST_COUNT) & (gain >= LEAST_GAIN)
        for value, token, sure, worth in zip(
            group.values[kept].tolist(),
            best[kept].tolist(),
            rate[kept].tolist(),
            (gain * total)[kept].tolist(),
            strict=True,
        ):
            found[value] = token, sure, worth
        now = kept[group.inverse]
        told[places[now]] = best[group.inverse][now]
        chance[places[now]] = rate[group.inverse][now]
        # A context that was seen once cannot be the end of one that was seen twice.
        places = places[total[group.inverse] >= LEAST_COUNT]
    worthiest = sorted(found.items(), key=lambda item: -item[1][2])[:limit]
    return {value: (token, sure) for value, (token, sure, _) in worthiest}


class _Groups:
    """Contexts of one length: their hashes, the first place of each, and the index of each place's one."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self.values, self.first, self.inverse = np.unique(hashes, return_index=True, return_inverse=True)


def _most_common(
    hashes: NDArray[np.uint64], following: NDArray[np.int64]
) -> tuple[_Groups, NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the contexts, the token that most often follows each, its chance, and how often each occurs."""
    groups = _Groups(hashes)
    pairs, counts = np.unique(groups.inverse.astype(np.int64) << 32 | following, return_counts=True)
    owner, token = pairs >> 32, pairs & MASK
    order = np.lexsort((token, -counts, owner))
    leading = order[np.unique(owner[order], return_index=True)[1]]
    total = np.bincount(groups.inverse, minlength=len(groups.values))
    # One more occurrence than there was keeps the chance of what was seen few times below 1.
    return groups, token[leading], counts[leading] / (total + 1), total


def write_tables(
    folder: Path, rows: Iterable[Row], vocabulary: _Vocabulary, markers: Markers, say: Say
) -> dict[Role, str]:
    """Write the table of each role into `folder`; return their names."""
    names: dict[Role, str] = {}
    for role, turns in role_turns(rows, vocabulary, markers).items():
        entries = table_entries(turns, entry_limit(vocabulary.size))
        data = pack_table(entries, vocabulary.size)
        names[role] = f"{role}.ngrams"
        (folder / names[role]).write_bytes(data)
        say(f"{role}: {len(entries):,} entries of {len(turns):,} turns, {len(data) / 1e6:.2f} MB")
    return names


def add_tables(folder: Path, paths: Sequence[Path], say: Say) -> Bundle:
    """Make the tables of the bundle in `folder` of the rows in `paths`, and write them into it.

    Raise InputError where the bundle has no roles of its own, the base of its deltas is not on this machine,
    or the rows have no turn of them.
    """
    bundle = load_bundle(folder)
    if bundle.dialect != "umi":
        raise InputError(f"{bundle.name} is a stock model, which was not trained on rows", "name another")
    rows = [row for _, row in zip(range(MAX_ROWS), read_rows(*row_files(*paths)), strict=False)]
    # Deltas change no tokens, so the base's vocabulary is that of the models.
    model = Model(require_base(bundle.name, bundle.base) if bundle.base else bundle.path("planner"))
    try:
        names = write_tables(folder, rows, model.vocabulary, bundle.markers, say)
    finally:
        model.close()
    if not names:
        raise InputError("these rows have no turn of a role", "name other rows")
    return with_tables(bundle, names)
