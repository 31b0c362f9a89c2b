"""The generator: rows that are valid, real, varied, and split so that tests ask nothing training saw."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path

import jsonschema
import pytest
from fakes import run_train as main
from synthetic_intents import ALL_INTENTS

from agent.engine import ScriptedEngine
from agent.evaluation.suite import evaluate, run_in_process
from agent.prompting import segments
from agent.tools import builtin_tools
from agent.transcript import (
    CallerTurn,
    PlannerTurn,
    Row,
    SummarizerTurn,
    ToolTurn,
    UserTurn,
    row_from_json,
    row_to_json,
)
from train.data.phrasings import QUESTIONS, normalize
from train.data.synthetic import intents
from train.data.synthetic.actions import direction
from train.data.synthetic.generate import generate_rows
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS, held_out
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Intent, Question
from train.data.synthetic.wording.aliases import ALIASES
from train.data.synthetic.wording.paraphrase import paraphrase
from train.data.synthetic.worlds.world import make_world


@pytest.fixture(scope="module")
def train_rows() -> list[Row]:
    return list(generate_rows(3, "train", 400))


@pytest.fixture(scope="module")
def test_rows() -> list[Row]:
    return list(generate_rows(3, "test", 200, plain=1.0))


def test_every_call_fits_the_schema_of_a_tool_on_offer(train_rows: list[Row]) -> None:
    for row in train_rows:
        tools = {tool.name: tool for tool in row.transcript.tools}
        for turn in row.transcript.turns:
            if isinstance(turn, CallerTurn):
                for call in turn.calls:
                    schema = {**tools[call.name].parameters, "additionalProperties": False}
                    jsonschema.validate(dict(call.arguments), schema)


def test_arguments_stand_in_the_order_of_the_schema(train_rows: list[Row]) -> None:
    for row in train_rows:
        tools = {tool.name: tool for tool in row.transcript.tools}
        for turn in row.transcript.turns:
            for call in turn.calls if isinstance(turn, CallerTurn) else ():
                order = [n for n in tools[call.name].parameters["properties"] if n in call.arguments]
                assert list(call.arguments) == order


def test_each_hand_over_agrees_with_the_turn_that_follows(train_rows: list[Row]) -> None:
    follows = {"caller": CallerTurn, "summarizer": SummarizerTurn}
    for row in train_rows:
        turns = row.transcript.turns
        for at, turn in enumerate(turns):
            if isinstance(turn, PlannerTurn):
                after = turns[at + 1] if at + 1 < len(turns) else None
                if turn.next == "give up":
                    assert after is None or isinstance(after, UserTurn)
                else:
                    assert isinstance(after, follows[turn.next])
                assert "\n" not in turn.content
            if isinstance(turn, CallerTurn):
                seen = turns[at + 1 : at + 1 + len(turn.calls)]
                assert all(isinstance(t, ToolTurn) for t in seen)


def test_every_required_kind_of_row_is_generated(train_rows: list[Row]) -> None:
    steps, parallel, repaired, gave_up, talk = set(), 0, 0, 0, 0
    for row in generate_rows(5, "train", 1500, follow_up=0.0):
        turns = row.transcript.turns
        callers = [t for t in turns if isinstance(t, CallerTurn)]
        steps.add(len(callers))
        parallel += any(len(t.calls) > 1 for t in callers)
        give_up = any(isinstance(t, ToolTurn) and t.error for t in turns)
        repaired += give_up and isinstance(turns[-1], SummarizerTurn)
        gave_up += isinstance(turns[-1], PlannerTurn)
        talk += not callers and isinstance(turns[-1], SummarizerTurn)
    assert steps >= {0, 1, 2, 3, 4}
    assert min(parallel, repaired, gave_up, talk) > 20


def test_tool_lists_vary(train_rows: list[Row]) -> None:
    names = {tool.name for row in train_rows for tool in row.transcript.tools}
    real = {tool.name for tool in builtin_tools()}
    assert real < names
    assert any(names & set(alias.names) for alias in ALIASES.values())
    assert {len(row.transcript.tools) for row in train_rows} >= {14}


def test_no_phrasing_is_in_both_splits() -> None:
    seen: dict[str, set[str]] = {"train": set(), "test": set()}
    for split, found in seen.items():
        d = Sampler(random.Random(1), split)
        for _ in range(300):
            found.add(d.pick(QUESTIONS["convert"], HELD_OUT_PHRASINGS))
    assert seen["train"]
    assert seen["test"]
    assert not seen["train"] & seen["test"]


def test_no_change_to_a_phrasing_arrives_at_a_held_out_one() -> None:
    held = {normalize(text) for text in QUESTIONS["list_here"] if held_out(text, HELD_OUT_PHRASINGS)}
    d = Sampler(random.Random(3), "train")
    asked = {normalize(d.question("list_here")) for _ in range(4000)}
    assert len(asked) > 500
    assert not asked & held


def test_rewording_keeps_slots_and_changes_little() -> None:
    rng = random.Random(4)
    phrasing = "can you show me what the file {path} contains, please"
    made = {paraphrase(phrasing, rng) for _ in range(300)}
    assert phrasing in made
    assert len(made) > 20
    for text in made:
        assert text.count("{path}") == 1
        kept = set(text.split()) & set(phrasing.split())
        assert len(kept) >= len(phrasing.split()) - 3


def test_no_value_is_in_both_splits() -> None:
    for split in ("train", "test"):
        d = Sampler(random.Random(2), split)
        assert all(
            held_out(d.value(lambda d=d: str(d.rng.randint(1, 999))), 8) == (split == "test")
            for _ in range(99)
        )


def test_the_same_seed_makes_the_same_rows() -> None:
    first, second = (
        json.dumps([row_to_json(row) for row in generate_rows(8, "train", 40)]) for _ in range(2)
    )
    assert first == second
    assert first != json.dumps([row_to_json(row) for row in generate_rows(9, "train", 40)])


def test_rows_survive_the_file(train_rows: list[Row]) -> None:
    for row in train_rows[:50]:
        again = row_from_json(json.loads(json.dumps(row_to_json(row))))
        assert list(segments(again.transcript)) == list(segments(row.transcript))


def asks(kind: Intent, seed: int) -> bool:
    """Whether an intent asks something in a random world; one that the world has nothing for raises."""
    sample = Sampler(random.Random(seed), "train")
    try:
        return isinstance(next(kind.script(sample, make_world(sample))), Question)
    except (IndexError, ValueError):
        return False


def test_the_modules_set_the_order_of_the_registry() -> None:
    """Rows of a seed depend on that order, so an import of one module by another must not change it."""
    prefix = f"{intents.__name__}."
    found = dict.fromkeys(kind.script.__module__.removeprefix(prefix) for kind in intents.INTENTS.values())
    assert tuple(found) == intents.MODULES


def test_every_intent_has_phrasings_with_matching_slots() -> None:
    for kind in ALL_INTENTS.values():
        assert any(asks(kind, seed) for seed in range(40)), kind.name
    for phrasings in QUESTIONS.values():
        slots = [{s for _, s, _, _ in string.Formatter().parse(text) if s} for text in phrasings]
        assert all(found == slots[0] for found in slots)


def test_a_reference_played_back_is_judged_right(test_rows: list[Row]) -> None:
    """An engine that says what the reference says scores in full, so the references fit the real tools."""
    changing = {"current_time", "system_info"}
    playable = [
        row
        for row in test_rows
        if not row.meta["simulated"]
        and not any(
            call.name in changing
            for turn in row.transcript.turns
            if isinstance(turn, CallerTurn)
            for call in turn.calls
        )
    ][:60]
    assert len(playable) == 60
    for row in playable:
        replies = [
            p.content for p in segments(row.transcript) if p.role in ("planner", "caller", "summarizer")
        ]
        report = evaluate(
            [row],
            ScriptedEngine(replies + replies),
            run_in_process(ScriptedEngine(replies)),
            lambda n, r: None,
        )
        assert report.total.plan.right == report.total.plan.of
        assert report.total.arguments.right == report.total.arguments.of
        assert not report.failures
        assert report.total.made_up == 0


def test_an_answer_with_another_number_is_judged_wrong_and_made_up(test_rows: list[Row]) -> None:
    sums = {"percent_of", "multiply", "expression", "add", "subtract", "purchase"}
    sums |= {"divide", "tip", "raise_by", "discount", "average", "remainder", "rate"}
    row = next(row for row in test_rows if row.meta["intent"] in sums and not row.meta["simulated"])
    replies = [p.content for p in segments(row.transcript) if p.role in ("planner", "caller", "summarizer")]
    wrong = [*replies[:-1], "It is 987654.25"]
    report = evaluate(
        [row], ScriptedEngine(replies), run_in_process(ScriptedEngine(wrong)), lambda n, r: None
    )
    assert (report.total.question.right, report.total.made_up, len(report.failures)) == (0, 1, 1)


def test_data_make_writes_a_file(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "rows.jsonl"
    assert main(["data", "make", "--out", str(out), "--count", "7", "--split", "test"]) == 0
    found = [row_from_json(json.loads(line)) for line in out.read_text().splitlines()]
    assert [row.split for row in found] == ["test"] * 7


def test_the_direction_of_days_is_told_by_a_word_of_the_question() -> None:
    assert direction("which day was 40 days earlier than 3 May", -40) == "earlier means minus"
    assert direction("ten days on from now", 10) == "from now means plus"
    assert direction("3 May. invitations: 12 days", -12) == "before means minus"
