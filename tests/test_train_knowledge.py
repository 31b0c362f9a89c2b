"""General knowledge in the training data, what is refused instead, and the shares of the tool lists."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from agent.transcript import CallerTurn, PlannerTurn, SummarizerTurn
from train.data.foreign.reading import needs_a_tool
from train.data.phrasings import QUESTIONS
from train.data.synthetic.generate import GOLDEN, generate_rows
from train.data.synthetic.group import Group, make_group
from train.data.synthetic.intents.no_call.knowledge import KNOWLEDGE, KNOWN_THOUGHT, TABLES, WRITTEN
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.toolset import BUILTIN
from train.data.synthetic.worlds.stated import draw_rows, draw_stated
from train.data.synthetic.worlds.tables import draw_table
from train.data.synthetic.worlds.world import make_world


def groups(tmp_path: Path, count: int) -> list[Group]:
    return [make_group(str(at), "train", tmp_path, 0.6, 30, None, (at * GOLDEN) % 1) for at in range(count)]


def test_three_lists_in_five_are_the_apps_and_one_in_seven_is_longer(tmp_path: Path) -> None:
    sizes = Counter(
        "app"
        if group.tools.specs == tuple(sorted(BUILTIN.values(), key=lambda spec: spec.name))
        else "long"
        if len(group.tools.specs) > len(BUILTIN)
        else "short"
        for group in groups(tmp_path, 60)
    )
    assert 35 <= sizes["app"] <= 37
    assert 8 <= sizes["long"] <= 10
    assert 14 <= sizes["short"] <= 16


def test_knowledge_is_answered_without_a_call_and_without_digits() -> None:
    assert sum(len(pairs) for _, pairs in TABLES) + len(WRITTEN) >= 400
    answers = [pair.partition(" = ")[2] for _, pairs in TABLES for pair in pairs] + list(WRITTEN.values())
    assert all(answer and not re.search(r"\d", answer) for answer in answers)
    sample = Sampler(random.Random(1), "train")
    script = KNOWLEDGE.script(sample, make_world(sample))
    next(script)
    with pytest.raises(StopIteration) as end:
        next(script)
    assert (end.value.value.thought, end.value.value.gave_up) == (KNOWN_THOUGHT, False)


def test_what_is_known_is_neither_refused_nor_looked_up() -> None:
    known = 0
    for row in generate_rows(31, "train", 160, follow_up=0.0):
        turns = row.transcript.turns
        if any(isinstance(turn, PlannerTurn) and turn.content == KNOWN_THOUGHT for turn in turns):
            known += 1
            assert not any(isinstance(turn, CallerTurn) for turn in turns)
            assert isinstance(turns[-1], SummarizerTurn)
    assert known > 3


def test_only_live_or_personal_requests_of_the_data_are_refused() -> None:
    assert needs_a_tool("what is my boss's phone number")
    assert needs_a_tool("who won the game last night")
    assert not needs_a_tool("how many sides does an octagon have")
    assert not needs_a_tool("how do i get ink out of my shirt")


def test_a_statement_holds_its_answers_and_the_word_to_search_for() -> None:
    sample = Sampler(random.Random(5), "train")
    for one in draw_stated(sample, 60):
        assert one.word.lower() in one.line.lower(), one
        assert all(value in one.line for value, _ in one.questions)
        assert all(asked for _, asked in one.questions)


def test_questions_about_one_of_several_like_lines_name_it() -> None:
    for seed in range(20):
        sample = Sampler(random.Random(seed), "train")
        rows = draw_rows(sample, 4)
        for row in rows:
            asked, value = row.ask(sample)
            assert value in row.line
            assert "{" not in asked
            told = [other for other in rows if any(v in asked for v in other.slots.values())]
            assert row in told


def test_every_column_of_a_table_is_asked_for_in_other_words() -> None:
    tables = [draw_table(Sampler(random.Random(seed), "train")) for seed in range(120)]
    assert all(f"column_{name}" in QUESTIONS for table in tables for name in table.header[1:])
