"""Rows that are larger than memory: they are stored, and packed by their sizes as they were packed whole."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_base import tiny_rows

from agent.prompting.encoding import Encoded
from train.data.rows import hold_out
from train.model.packing import group_rows, join
from train.stored.encoded_rows import EncodedRows
from train.stored.rows import StoredRows
from train.stored.spool import Spool


def random_rows(count: int, seed: int = 0) -> list[Encoded]:
    """Rows over three prefixes, one of them empty; of some the first token is a target."""
    rng = np.random.default_rng(seed)
    prefixes = [np.arange(0), np.arange(40), np.arange(7, 20)]
    rows = []
    for _ in range(count):
        tokens = int(rng.integers(0, 30))
        ids = rng.integers(0, 2**31, tokens)
        rows.append(Encoded(prefixes[rng.integers(3)], ids, rng.random(tokens) < 0.3))
    return rows


def test_records_are_the_same_in_memory_and_in_a_file() -> None:
    records = [bytes([n]) * (n * 37 % 101) for n in range(200)]
    for memory_bytes in (1, 1 << 20):
        spool = Spool(memory_bytes)
        for n, record in enumerate(records):
            spool.append(record)
            assert spool.read(n // 2) == records[n // 2], "reading goes on while records are added"
        assert [spool.read(n) for n in range(len(spool))] == records
        assert [spool.size(n) for n in range(len(spool))] == list(map(len, records))


def test_rows_come_back_as_they_were() -> None:
    rows = [*tiny_rows(9), *tiny_rows(3, "valid")]
    stored = StoredRows()
    for row in rows:
        stored.append(row)
    assert list(stored) == rows
    assert stored[-1] == rows[-1]
    assert stored[2:4] == rows[2:4]
    with pytest.raises(IndexError):
        stored[12]
    train, held_out = hold_out(stored, 2)
    assert (list(train), held_out) == (rows[:9], [rows[9], rows[10]])


def test_encoded_rows_come_back_as_they_were() -> None:
    rows = random_rows(50)
    stored = EncodedRows(rows)
    assert stored.targets == sum(row.targets for row in rows)
    for row, kept, at in zip(rows, stored, range(50), strict=True):
        for name in ("prefix", "rest", "is_target"):
            np.testing.assert_array_equal(getattr(kept, name), getattr(row, name))
            assert getattr(kept, name).dtype == getattr(row, name).dtype
        extent = stored.extent(at)
        assert (extent.prefix_tokens, extent.rest_tokens) == (len(row.prefix), len(row.rest))


@pytest.mark.parametrize("open_packs", [1, 2, 256])
def test_groups_have_the_sizes_of_their_sequences(open_packs: int) -> None:
    rows = random_rows(80)
    stored = EncodedRows(rows)
    order = np.random.default_rng(1).permutation(len(rows))
    groups = list(group_rows(stored, order, 90, open_packs=open_packs))
    assert sorted(at for group in groups for at in group.indices) == list(range(80))
    for group in groups:
        packed = group.join(stored)
        assert len(packed) == len(group)
        assert len(packed) <= 90 or len(group.indices) == 1
        whole = join([rows[at] for at in group.indices])
        np.testing.assert_array_equal(packed.input_ids, whole.input_ids)
        np.testing.assert_array_equal(packed.targets, whole.targets)
