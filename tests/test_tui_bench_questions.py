"""`umi bench questions`: its figures, and the near-ties that a difference may begin at."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from engine_runs import F32_CACHE, ONE_THREAD, QUESTION, run

from agent.bundle import Bundle
from agent.engine import Choice, Generated, Stop
from agent.events import Usage
from agent.llama.engine import LlamaEngine
from tui.bench.questions import energy
from tui.bench.questions.near_ties import Turn, first_difference, gap, spread
from tui.cli.main import main

FIELDS = {
    *("questions", "median_seconds", "first_word_seconds", "seconds_with_drafts", "seconds_without_drafts"),
    *("same_text", "near_ties", "python_share", "joules", "roles", "resume_tokens", "resume_seconds"),
}


def test_the_figures_are_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "questions", "--limit", "1", "--threads", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result.keys() >= FIELDS
    assert (result["questions"], result["layout"]) == (1, "merged")
    assert result["same_text"] is True
    assert 0 < result["first_word_seconds"] < result["median_seconds"]
    assert 0 < result["python_share"] < 1
    assert result["resume_tokens"] >= 1500  # three quarters of its context
    assert result["resume_seconds"] > 0
    planner = result["roles"]["planner"]
    assert planner["decodes"] <= result["roles_without_drafts"]["planner"]["decodes"]
    assert planner["accepted"] <= planner["drafted"]
    assert result["roles_without_drafts"]["planner"]["drafted"] == 0


def test_turns_that_part_are_told_apart(tiny_bundle: Bundle) -> None:
    engine = LlamaEngine(tiny_bundle, F32_CACHE)
    one = Turn("planner", QUESTION, run(engine, "planner", QUESTION))
    tokens = one.generated.tokens
    first = engine.logits("planner", QUESTION, (), at_once=True)[-1]
    worst = int(first.argmin())
    other = Turn("planner", QUESTION, type(one.generated)("", "end", one.generated.usage, tokens=(worst,)))
    assert first_difference([one], [one]) is None
    assert first_difference([one, one], [one, other]) == (one, other)
    assert gap(engine, one, other) == pytest.approx(first[tokens[0]] - first[worst], abs=1e-3)
    assert gap(engine, one, other) > spread(engine, [one])
    engine.close()


def turn(*tokens: int, stop: Stop = "end", margin: float = 1.0, instead_of: Choice | None = None) -> Turn:
    return Turn("planner", QUESTION, Generated("", stop, Usage(), margin, tokens), instead_of)


def test_a_turn_that_was_stopped_is_not_another_one() -> None:
    whole, stopped, longer = turn(1, 2, 3), turn(1, 2, stop="cancelled"), turn(1, 2, 3, 4, stop="cancelled")
    assert first_difference([whole], [stopped]) is None
    assert first_difference([longer], [stopped]) is None
    assert first_difference([whole], [longer]) == (whole, longer)
    assert first_difference([whole], [turn(1, 2)]) == (whole, turn(1, 2))


def test_proposals_in_another_order_are_as_near_as_their_margins(tiny_bundle: Bundle) -> None:
    first = turn(1, 2, 3, margin=0.5)
    one, other = (turn(1, 4, instead_of=Choice((1,), token, token / 16)) for token in (2, 3))
    nearly = turn(1, 2, 3, margin=0.75)
    assert first_difference([first, one], [first, one]) is None
    assert first_difference([first, one], [first, other]) == (one, other)
    assert first_difference([first, one], [nearly]) == (first, nearly)
    with closing(LlamaEngine(tiny_bundle, F32_CACHE)) as engine:
        assert gap(engine, one, other) == 1 / 16
        assert gap(engine, first, nearly) == 0.25


def test_on_f32_weights_batches_make_no_difference(tiny_bundle: Bundle) -> None:
    engine = LlamaEngine(tiny_bundle, F32_CACHE)
    turn = Turn("planner", QUESTION, run(engine, "planner", QUESTION))
    assert spread(engine, [turn]) < 1e-4
    engine.close()
    half = LlamaEngine(tiny_bundle, ONE_THREAD)
    assert spread(half, [turn]) < 0.1
    half.close()


def test_energy_is_none_where_no_counter_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "_ZONES", tmp_path)
    assert energy.joules() is None
    for package, microjoules in enumerate((1_500_000, 2_000_000)):
        zone = tmp_path / f"intel-rapl:{package}"
        zone.mkdir()
        (zone / "energy_uj").write_text(f"{microjoules}\n")
    assert energy.joules() == pytest.approx(3.5)
