"""How sure the models are of a call: the margin of what they chose, and what is asked about for it."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from engine_runs import ONE_THREAD, QUESTION, run, set_sampling, with_sampling

import tui.evaluation.margins as command
from agent.bundle import Bundle, load_bundle
from agent.checks.calls.call_check import ANY_TOOL, UNSURE, CallCheck
from agent.checks.calls.margins import Coverage, MeasuredCall, covered, fit_least_margins
from agent.engine import Delta, Generated, ScriptedEngine
from agent.evaluation.generation import last_event
from agent.evaluation.margins import measure_margins
from agent.events import Finished, Observation, Reading
from agent.llama import decoding
from agent.llama.engine import LlamaEngine
from agent.llama.grammar.constraints import Constraint
from agent.loop import Agent
from agent.setup import make_toolbox
from agent.transcript import Call, CallerTurn, PlannerTurn, Role, Row, Transcript, UserTurn, row_to_json
from tui.cli.main import main

CALL = '{"name":"calculate","arguments":{"expression":"12 + 30"}}'
ROW = Row(
    "r1",
    "test",
    "test",
    Transcript(
        (),
        (
            UserTurn("what is 12 plus 30?"),
            PlannerTurn("I will work it out with calculate.", "caller"),
            CallerTurn((Call("calculate", {"expression": "12 + 30"}),)),
        ),
    ),
)
THOUGHT = "I will work it out with calculate.\nNext: caller"


def scripted(margin: float, least: dict[str, float]) -> ScriptedEngine:
    script = [THOUGHT, CALL, "It is 42.\nNext: summarizer", "It is 42."]
    return ScriptedEngine(script, margin=margin, least_margins=least)


@pytest.mark.parametrize(
    ("margin", "least", "reason"),
    [
        (0.9, {"calculate": 1.0}, "unsure"),
        (1.0, {"calculate": 1.0}, "answered"),
        (0.9, {"read_file": 1.0}, "answered"),
        (0.9, {ANY_TOOL: 1.0}, "unsure"),
        (0.9, {ANY_TOOL: 1.0, "calculate": 0.5}, "answered"),
    ],
)
def test_a_call_under_the_least_margin_of_its_tool_is_not_made_without_a_person(
    tmp_path: Path, margin: float, least: dict[str, float], reason: str
) -> None:
    engine = scripted(margin, least)
    agent = Agent(engine, make_toolbox(tmp_path), check=CallCheck(engine.least_margins))
    *events, last = agent.run(agent.begin(), "what is 12 plus 30?")
    assert isinstance(last, Finished)
    assert last.reason == reason
    assert (UNSURE in last.answer) == (reason == "unsure")
    assert any(isinstance(event, Observation) for event in events) == (reason == "answered")


def test_the_margin_is_the_least_over_what_the_model_chose(tiny_bundle: Bundle) -> None:
    engine = LlamaEngine(with_sampling(tiny_bundle, 0), ONE_THREAD)
    set_sampling(engine, 0, temperature=0.0, max_tokens=60)
    generated = run(engine, "summarizer", QUESTION)
    assert 0 <= generated.margin < math.inf
    engine.close()


@pytest.mark.parametrize(
    ("allowed", "token", "expected"),
    [({0, 1, 7}, 0, 1.0), ({0, 2, 7}, 0, 2.0), ({0, 7}, 0, 7.0), ({7, 2}, 2, 5.0), ({0}, 0, math.inf)],
)
def test_tokens_that_the_grammar_forbids_do_not_count(allowed: set[int], token: int, expected: float) -> None:
    logits = np.arange(8.0, 0.0, -1.0, dtype=np.float32)
    mask = np.isin(np.arange(8), list(allowed))
    constraint = cast("Constraint", SimpleNamespace(allows=allowed.__contains__, mask=lambda: mask))
    assert decoding.margin(logits, constraint, token) == expected


def test_least_margins_keep_back_the_wrong_calls_that_the_budget_pays_for() -> None:
    # The wrong calls of `one` lie under its right ones, those of `two` above: only asking about `one` pays.
    one = [MeasuredCall("one", 0.1 * n, n >= 10) for n in range(50)]
    two = [MeasuredCall("two", 0.1 * n, n < 40) for n in range(50)]
    least = fit_least_margins([*one, *two], 0.9)
    assert least.keys() == {"one"}
    assert least["one"] == pytest.approx(0.95)
    result = covered([*one, *two], least)
    assert (result.made, result.wrong, result.of, result.wrong_of) == (90, 10, 100, 20)
    assert covered(one, fit_least_margins(one, 1.0)).share == 1


def test_calls_that_a_rule_doubts_are_asked_about_and_spend_the_budget() -> None:
    doubted = [MeasuredCall("one", 9.0, n >= 2, doubted=True) for n in range(4)]
    sure = [MeasuredCall("one", 0.1 * n, n >= 10) for n in range(36)]
    calls = [*doubted, *sure]
    assert covered(calls, {}) == Coverage(36, 10, 40, 12)
    assert fit_least_margins(calls, 0.9) == {}
    assert covered(calls, fit_least_margins(calls, 0.8)) == Coverage(32, 6, 40, 12)


def test_tools_with_few_wrong_calls_share_a_least_margin() -> None:
    calls = [MeasuredCall(f"tool{n % 5}", 0.1 * n, n >= 5) for n in range(50)]
    least = fit_least_margins(calls, 0.9)
    assert least.keys() == {ANY_TOOL}
    assert least[ANY_TOOL] == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ([THOUGHT, CALL], [(True, False)]),
        ([THOUGHT, CALL.replace("30", "31")], [(False, True)]),
        ([THOUGHT, CALL.replace("12 + 30", "30 + 12")], [(False, False)]),
        (["It is small talk.\nNext: summarizer"], []),
    ],
)
def test_calls_are_measured_after_the_history_of_reference(
    script: list[str], found: list[tuple[bool, bool]]
) -> None:
    engine = ScriptedEngine(script, margin=0.7)
    seen: list[str] = []

    def write(role: Role, history: Transcript, reference: str) -> Iterator[Reading | Delta | Generated]:
        seen.append(reference)
        return engine.generate(role, history, cancelled=lambda: False)

    calls = list(measure_margins([ROW], write))
    assert [(call.right, call.doubted) for call in calls] == found
    assert all((call.tool, call.margin) == ("calculate", 0.7) for call in calls)
    assert seen == [THOUGHT, CALL][: len(script)]


def test_a_likely_text_saves_decodes_and_changes_nothing(tiny_bundle: Bundle) -> None:
    engine = LlamaEngine(with_sampling(tiny_bundle, 0), ONE_THREAD)
    set_sampling(engine, 0, temperature=0.0, max_tokens=40)
    written = run(engine, "planner", QUESTION)
    middle = len(written.text) // 2
    for likely in (
        written.text,
        written.text[:middle] + "#" + written.text[middle:],
        "It is something else.",
    ):
        events = engine.generate("planner", QUESTION, cancelled=lambda: False, likely=likely)
        again = last_event(events)
        assert (again.text, again.tokens) == (written.text, written.tokens)
        assert again.margin == pytest.approx(written.margin, abs=0.01)
        if likely == written.text:
            assert again.usage.decodes < written.usage.decodes
    engine.close()


def test_the_command_measures_prints_and_writes_the_margins_into_the_bundle(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, folder = tmp_path / "rows.jsonl", tmp_path / "mine"
    rows.write_text((json.dumps(row_to_json(ROW)) + "\n") * 40)
    shutil.copytree(tiny_bundle.folder, folder)

    class Engine(ScriptedEngine):
        def generate(self, *args: Any, likely: str, **options: Any) -> Iterator[Reading | Delta | Generated]:
            return super().generate(*args, **options)

    def open_engine(_: Bundle) -> ScriptedEngine:
        engine = Engine([THOUGHT, CALL] * 40)

        def surer(_: str) -> None:
            number = len(engine.seen) // 2
            engine.margin = 0.1 * number
            engine.script = [THOUGHT, CALL.replace("12 + 30", "30 + 12") if number < 6 else CALL] * 40

        engine.on_generate = surer
        return engine

    monkeypatch.setattr(command, "open_engine", open_engine)
    assert (
        main(["eval", "margins", str(rows), "--models", str(folder), "--made", "0.8", "--save", "--json"])
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["calls"] == 40
    assert report["coverage"][0] == {"asked_for": 1.0, "made": 40, "wrong": 6, "of": 40, "wrong_of": 6}
    assert report["least_margins"] == {"calculate": pytest.approx(0.55)}
    assert load_bundle(folder).least_margins == report["least_margins"]
    assert main(["eval", "margins", str(rows), "--models", str(folder), "--limit", "3"]) == 2
    assert "has rows for 3 calls" in capsys.readouterr().err
