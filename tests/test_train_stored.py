"""Training rows that are larger than memory: they stay in files, and give the steps of rows in memory."""

from __future__ import annotations

import gc
import itertools
import math
import os
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_base import TINY_RUN, tiny_rows

import train.stored.spool
from agent.errors import InputError
from agent.prompting.encoding import Encoded
from agent.transcript import UserTurn
from train.data.rows import hold_out, write_rows
from train.data.splits import rows_to_train
from train.data.views import view
from train.loop.batches import Step, epoch_steps, make_micro_batches, steps_from, total_steps
from train.model.packing import PREFIX, Packed, extent_of, group_rows, join, pack
from train.recipe import STAGES, Recipe
from train.stored.encoded_rows import EncodedRows
from train.stored.spool import Spool


def make_recipe(**fields: object) -> Recipe:
    return Recipe.from_json({**TINY_RUN, "base": "b", "data": ["d"], "out": "o", **fields})


def random_rows(count: int, seed: int = 0) -> list[Encoded]:
    """Rows over prefixes of which one is empty and one another without its end; some begin with a target."""
    rng = np.random.default_rng(seed)
    prefixes = [np.arange(length) for length in (0, 40, 39)] + [np.arange(7, 20)]
    rows = []
    for _ in range(count):
        tokens = int(rng.integers(0, 30))
        ids = rng.integers(0, 2**31, tokens)
        rows.append(Encoded(prefixes[rng.integers(4)], ids, rng.random(tokens) < 0.1))
    return rows


def steps_in_memory(rows: list[Encoded], recipe: Recipe, stage: str, epoch: int) -> list[Step]:
    """The steps of an epoch, made of packed sequences that are all in memory."""
    rng = np.random.default_rng([recipe.seed, STAGES.index(stage), epoch])
    packs = list(pack([rows[at] for at in rng.permutation(len(rows))], recipe.micro_batch_tokens))
    shuffled = [packs[at] for at in rng.permutation(len(packs))]
    micro_batches = make_micro_batches(shuffled, recipe.micro_batch_tokens)
    by_list: dict[bytes, list[list[Packed]]] = {}
    for batch in micro_batches:
        longest = max(batch, key=len)
        by_list.setdefault(longest.input_ids[longest.branch_ids == PREFIX].tobytes(), []).append(batch)
    steps: list[Step] = [[] for _ in range(math.ceil(len(micro_batches) / recipe.accumulation))]
    for number, batch in enumerate(itertools.chain(*by_list.values())):
        steps[number % len(steps)].append(batch)
    return [steps[at] for at in rng.permutation(len(steps))]


def arrays(step: Step) -> list[list[list[list[int]]]]:
    return [[[part.tolist() for part in vars(packed).values()] for packed in batch] for batch in step]


@pytest.mark.parametrize("stage", ["backbone", "caller"])
@pytest.mark.parametrize(("tokens", "accumulation"), [(60, 1), (120, 3), (500, 2)])
def test_steps_are_those_of_rows_in_memory(stage: str, tokens: int, accumulation: int) -> None:
    recipe = make_recipe(micro_batch_tokens=tokens, accumulation=accumulation)
    rows = random_rows(300)
    for epoch in range(2):
        expected = steps_in_memory(rows, recipe, stage, epoch)
        for given in (rows, EncodedRows(rows)):
            steps = epoch_steps(given, recipe, stage, epoch)
            assert list(map(arrays, steps)) == list(map(arrays, expected))


def test_a_resumed_run_continues_with_the_rows_that_would_have_come_next() -> None:
    recipe = make_recipe(micro_batch_tokens=100, backbone={"epochs": 2.5})
    rows = EncodedRows(random_rows(100))
    total = total_steps(rows, recipe, "backbone")
    whole = list(map(arrays, itertools.islice(steps_from(rows, recipe, "backbone", 0), total)))
    for start in (1, len(epoch_steps(rows, recipe, "backbone", 0)), total - 1):
        rest = itertools.islice(steps_from(rows, recipe, "backbone", start), total - start)
        assert list(map(arrays, rest)) == whole[start:]


def test_sequences_are_yielded_as_they_are_full() -> None:
    endless = itertools.cycle(random_rows(20))
    assert len(list(itertools.islice(pack(endless, 90, open_packs=2), 50))) == 50


@pytest.mark.parametrize("open_packs", [1, 2, 256])
def test_groups_have_the_sizes_of_their_sequences(open_packs: int) -> None:
    rows = random_rows(200)
    groups = list(group_rows(rows, extent_of, 90, open_packs=open_packs))
    assert sum(len(group.rows) for group in groups) == len(rows)
    for group in groups:
        packed = join(group.rows)
        assert (len(packed), int((packed.branch_ids == PREFIX).sum())) == (len(group), group.shared_tokens)
        assert len(packed) <= 90 or len(group.rows) == 1


def test_encoded_rows_come_back_as_they_were() -> None:
    rows = random_rows(50)
    stored = EncodedRows(rows)
    assert stored.targets == sum(row.targets for row in rows)
    for row, kept in zip(rows, stored, strict=True):
        for name, part in vars(row).items():
            np.testing.assert_array_equal(getattr(kept, name), part, strict=True)
    assert stored[-1].ids.tolist() == rows[-1].ids.tolist()
    with pytest.raises(IndexError):
        stored[50]


@pytest.mark.parametrize("memory_bytes", [1, 1 << 20])
def test_records_are_the_same_in_memory_and_in_a_file(
    memory_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train.stored.spool, "MEMORY_BYTES", memory_bytes)
    records = [bytes([n]) * (n * 37 % 101) for n in range(200)]
    spool = Spool()
    for n, record in enumerate(records):
        spool.append(record)
        assert spool.read(n // 2) == records[n // 2], "records are read while others are added"
    assert [spool.read(n) for n in range(len(spool))] == records
    assert [spool.size(n) for n in range(len(spool))] == list(map(len, records))


def test_the_file_is_closed_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.stored.spool, "MEMORY_BYTES", 1)
    before = len(os.listdir("/proc/self/fd"))
    stored = EncodedRows(random_rows(20))
    assert len(os.listdir("/proc/self/fd")) == before + 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del stored
        gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_memory_grows_by_a_fraction_of_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.stored.spool, "MEMORY_BYTES", 4096)
    recipe = make_recipe(micro_batch_tokens=8192, max_length=8192)

    def peak(count: int) -> int:
        """Peak bytes while a file of rows, each of more than 2,000 tokens, becomes steps."""
        rows = []
        for row in tiny_rows(count):
            turns = (UserTurn(f"{row.id} {'x' * 2000}"), *row.transcript.turns)
            rows.append(replace(row, transcript=replace(row.transcript, turns=turns[:1] + turns[2:])))
        write_rows(tmp_path / "rows.jsonl", rows)
        del rows
        gc.collect()
        tracemalloc.start()
        trained, held_out = hold_out(rows_to_train([tmp_path / "rows.jsonl"]), 4)
        stored = view(trained, "backbone", lambda text, _: list(text.encode()), recipe.max_length).rows
        tokens = 0
        for step in epoch_steps(stored, recipe, "backbone", 0):
            tokens += sum(len(packed) for batch in step for packed in batch)
        assert len(stored) == count - len(held_out)
        assert tokens > 2000 * len(stored)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(40)  # what is loaded once
    assert (peak(400) - peak(100)) / 300 < 500, "bytes a row, whose tokens alone take 18,000 in memory"


def test_rows_of_a_file_that_was_changed_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    write_rows(file, tiny_rows(3))
    rows = rows_to_train([file])
    assert [row.id for row in rows] == [row.id for row in rows] == ["train-0", "train-1", "train-2"]
    for change in (lambda: write_rows(file, tiny_rows(4)), file.unlink):
        change()
        with pytest.raises(InputError, match=r"rows\.jsonl was changed while it was in use"):
            next(iter(rows))
