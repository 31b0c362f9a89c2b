"""Drafts of turns: prompt lookup, n-gram tables, and what both make of a turn under its grammar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from agent.errors import BundleError
from agent.llama.binding.measured import DecodeCost
from agent.llama.drafting.drafter import LONGEST_DRAFT, Drafter
from agent.llama.drafting.ngram_table import (
    MAX_BYTES,
    NgramTable,
    entry_limit,
    pack_table,
    read_table,
    start_token,
)
from agent.llama.drafting.prompt_lookup import PromptLookup
from agent.transcript import ToolTurn, UserTurn
from export.tables import table_entries

VOCABULARY = 100
USER = start_token([UserTurn("Hi.")], VOCABULARY)
TOOL = start_token([ToolTurn("now", "noon")], VOCABULARY)
END = 99


class Anything:
    """A constraint that allows every token but those of `refused`, and forces what `forced` maps them to."""

    def __init__(
        self, refused: frozenset[int] = frozenset(), forced: Mapping[int, list[int]] | None = None
    ) -> None:
        self._refused, self._forced = refused, forced or {}
        self._last = 0
        self.must_end = False

    def fork(self) -> Anything:
        return Anything(self._refused, self._forced)

    def allows(self, token: int) -> bool:
        return token not in self._refused

    def accept(self, token: int) -> None:
        self._last = token

    def forced_tokens(self) -> list[int]:
        return self._forced.get(self._last, [])


def table(*turns: list[int]) -> NgramTable:
    """Return the table of some turns, each seen twenty times."""
    return NgramTable(table_entries([*turns] * 20, 1000))


def copied(lookup: PromptLookup, count: int) -> list[int | None]:
    position, matching = lookup.find()
    return [lookup.token(position + offset) for offset in range(count)] if matching else []


def test_a_copy_is_what_followed_the_longest_ngram_last() -> None:
    lookup = PromptLookup([1, 2, 3, 4, 9, 2, 3, 5, 7, 1, 2, 3])
    assert copied(lookup, 3) == [4, 9, 2]  # after 1 2 3, not after 2 3
    lookup.extend([5])
    assert copied(lookup, 2) == [7, 1]
    lookup.extend([8])
    assert copied(lookup, 1) == []


def test_an_ngram_does_not_match_itself() -> None:
    assert PromptLookup([1, 2, 3]).find() == (0, 0)
    assert copied(PromptLookup([5, 5, 5, 5]), 1) == [5]


def test_a_lookup_that_was_cut_finds_what_a_new_one_finds() -> None:
    random = np.random.default_rng(1)
    lookup = PromptLookup()
    ids: list[int] = []
    for _ in range(60):
        ids = ids[: random.integers(len(ids) + 1)] + random.integers(0, 4, 12).tolist()
        lookup.reset(ids)
        position, matching = lookup.find()
        assert matching == 0 or ids[position - 2 : position] == ids[-2:]
        assert position < len(ids)
        if matching >= 3:
            assert ids[position - 3 : position] == ids[-3:]


def test_a_table_tells_what_follows_by_the_longest_context() -> None:
    known = table([USER, 1, 2, 3, END], [TOOL, 1, 2, 4, END])
    assert known.next([USER, 1, 2])[0] == 3
    assert known.next([TOOL, 1, 2])[0] == 4
    token, chance = known.next([USER, 1])
    assert token == 2
    assert chance > 0.9
    assert known.next([50])[1] == 0


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    entries = table_entries([[USER, *range(20), END]] * 3, 1000)
    file = tmp_path / "planner.ngrams"
    file.write_bytes(pack_table(entries, VOCABULARY))
    read = read_table(file, VOCABULARY)
    assert len(read) == len(entries)
    for end in range(1, 20):
        assert read.next([USER, *range(end)])[0] == end


def test_a_table_is_not_larger_than_its_limit() -> None:
    random = np.random.default_rng(2)
    turns = [[USER, *random.integers(0, 60, 40).tolist()] for _ in range(300)]
    entries = table_entries([*turns, *turns], 500)
    assert len(entries) == 500
    for size in (1000, 70_000, 200_000):
        many = dict.fromkeys(range(entry_limit(size)), (1, 0.5))
        assert MAX_BYTES - 16 < len(pack_table(many, size)) <= MAX_BYTES


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data[:-1], "its length"),
        (lambda data: data[:7], "ends in its header"),
        (lambda data: b"GGUF" + data[4:], "is not an n-gram table"),
        (lambda data: data[:8] + b"\xff" + data[9:], "its model has 100"),
        (lambda data: data[:-4] + b"\xff" * 4, "a token that its model has not"),
    ],
)
def test_a_damaged_table_is_refused(change: Callable[[bytes], bytes], says: str, tmp_path: Path) -> None:
    file = tmp_path / "planner.ngrams"
    file.write_bytes(change(pack_table({1: (5, 0.5), 2: (6, 0.5)}, VOCABULARY)))
    with pytest.raises(BundleError, match=says):
        read_table(file, VOCABULARY, "get it again")


def test_a_draft_ends_before_an_uncertain_token_and_before_the_end_of_the_turn() -> None:
    turns = [[USER, 1, 2, name, 4, END] for name in (10, 11, 12)]
    drafter = Drafter(None, table(*turns), USER, END)
    assert drafter.draft(Anything(), 10) == [1, 2]
    drafter.extend([1, 2, 11])
    assert drafter.draft(Anything(), 10) == [4]


def test_a_draft_is_what_the_constraint_allows_and_forces() -> None:
    drafter = Drafter(None, table([USER, 1, 2, 3, 4, 5, END]), USER, END)
    assert drafter.draft(Anything(frozenset({3})), 10) == [1, 2]
    assert drafter.draft(Anything(forced={1: [2, 3]}), 10) == [1, 2, 3, 4, 5]
    assert drafter.draft(Anything(), 2) == [1, 2]


def test_a_draft_is_made_only_where_it_saves_time() -> None:
    turn = [USER, *range(1, 9), END]

    def drafted(second: float, further: float, pending: int = 1) -> int:
        drafter = Drafter(None, table(turn), USER, END, DecodeCost(second, further))
        return len(drafter.draft(Anything(), 10, pending))

    assert drafted(0.2, 0.2) == 8
    assert drafted(1.2, 0.4) == 8, "eight tokens for 1.2 + 7 * 0.4 decodes"
    assert drafted(1.2, 1.1) == 0
    assert drafted(8.5, 0.0) == 0
    assert drafted(8.5, 0.1, pending=2) == 8, "the second token is there in any case"


def test_a_draft_ends_where_another_token_costs_more_than_it_may_save() -> None:
    turns = [[USER, 1, 2, 3, name, END] for name in (10, 10, 10, 11)]
    cheap, dear = (Drafter(None, table(*turns), USER, END, DecodeCost(0.1, cost)) for cost in (0.1, 0.9))
    assert cheap.draft(Anything(), 10) == [1, 2, 3, 10]
    assert dear.draft(Anything(), 10) == [1, 2, 3]
    dear.learn(3)
    assert not dear.completes


def test_a_name_is_copied_from_the_prompt_between_formulas() -> None:
    turns = [[USER, 1, 2, name, name + 1, 3, 4, END] for name in range(20, 60, 2)]
    lookup = PromptLookup([7, 1, 2, 70, 71, 3, 8])
    drafter = Drafter(lookup, table(*turns), USER, END)
    drafter.extend([1, 2])
    assert drafter.draft(Anything(), 10)[:1] == [70]


def test_drafts_get_shorter_where_guesses_are_wrong() -> None:
    lookup = PromptLookup([*range(1, 40), 1, 2, 3])
    drafter = Drafter(lookup, None, USER, END)
    lengths: list[int] = []
    for _ in range(3):
        lengths.append(len(drafter.draft(Anything(), LONGEST_DRAFT)))
        drafter.learn(0)
    assert lengths[0] >= lengths[1] >= lengths[2]
    assert lengths[2] < lengths[0]
