"""The public benchmarks over small files of our own, with scripted models."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark_files import KETTLE, TIMER, question, write_bfcl, write_rows, write_simple, write_toolalpaca
from fakes import call, plan

from agent.engine import ScriptedEngine
from agent.errors import InputError
from agent.evaluation.benchmarks.benchmark import Benchmark, Results, run
from agent.evaluation.benchmarks.bfcl import read_bfcl
from agent.evaluation.benchmarks.paper import read_paper
from agent.evaluation.benchmarks.step import take_step
from agent.evaluation.benchmarks.toolalpaca import read_toolalpaca
from agent.evaluation.bootstrap import bootstrap_interval

CALLS = plan("I use a tool.", "caller")
GIVES_UP = plan("No tool can do that.", "give up")


def measured(benchmark: Benchmark, script: list[str], *, context_length: int = 4096) -> Results:
    """The results of a model that writes the texts of `script`, all of them."""
    engine = ScriptedEngine(script, context_length=context_length)
    results = Results(
        list(
            run(benchmark.cases, lambda case: take_step(engine, case.history, benchmark.roles, lambda: False))
        )
    )
    assert len(engine.seen) == len(script)
    return results


def values(results: Results) -> dict[str, float]:
    return {label: round(figure.value, 4) for label, figure in results.figures().items()}


def test_calls_of_bfcl_are_judged_by_its_rules(tmp_path: Path) -> None:
    benchmark = read_bfcl([write_simple(tmp_path, 4)], 100)
    script = [
        *(CALLS, call("kettle.boil", litres=1, tea="Green-Tea")),
        *(CALLS, call("kettle.boil", litres=5)),
        *(CALLS, "no call at all"),
        GIVES_UP,
    ]
    results = measured(benchmark, script)
    assert values(results) == {"simple_python": 0.25}
    assert results.faults() == {"no call": 2, "another value": 1}
    assert results.to_json()["wrong"] == {
        "simple_2": "another value",
        "simple_3": "no call",
        "simple_4": "no call",
    }


def test_a_folder_of_bfcl_has_a_figure_for_each_category(tmp_path: Path) -> None:
    boil, ring = {"kettle.boil": {"litres": [1.0]}}, {"timer.set": {"minutes": [3]}}
    write_bfcl(
        tmp_path, "parallel_multiple", [question("p", "Boil, ring.", KETTLE, TIMER)], {"p": [boil, ring]}
    )
    write_bfcl(tmp_path, "irrelevance", [question("i", "Sing.", TIMER), question("j", "Dance.", TIMER)])
    write_bfcl(tmp_path, "live_relevance", [question("r", "Time my egg.", TIMER)])
    write_bfcl(
        tmp_path, "simple_java", [question("s", "Ring.", TIMER)], {"s": [{"timer.set": {"minutes": ["3"]}}]}
    )
    write_bfcl(
        tmp_path, "multi_turn_base", [question("m", "Boil.", KETTLE) | {"question": [[], []]}], {"m": [boil]}
    )
    benchmark = read_bfcl([tmp_path], 100)
    assert benchmark.left_out == {"several turns": 1, "the rules of another language": 1}
    script = [
        *(GIVES_UP, CALLS, call("timer.set", minutes=1)),
        *(CALLS, call("timer.set", minutes=4)),
        *(CALLS, f"{call('timer.set', minutes=3)}\n{call('kettle.boil', litres=1)}"),
    ]
    assert values(measured(benchmark, script)) == {
        "irrelevance": 0.5,
        "live_relevance": 1.0,
        "parallel_multiple": 1.0,
    }
    without = {
        name: values(Results(list(run(benchmark.cases, take)))) for name, take in benchmark.baselines.items()
    }
    assert without == {
        "first tool": {"irrelevance": 0.0, "live_relevance": 1.0, "parallel_multiple": 0.0},
        "no call": {"irrelevance": 1.0, "live_relevance": 0.0, "parallel_multiple": 0.0},
    }


def test_the_limit_is_one_of_each_file(tmp_path: Path) -> None:
    write_simple(tmp_path, 3)
    write_bfcl(tmp_path, "irrelevance", [question(str(n), "Sing.", TIMER) for n in range(3)])
    assert [case.id for case in read_bfcl([tmp_path], 2).cases] == ["0", "1", "simple_1", "simple_2"]


def test_tools_that_do_not_fit_the_context_count_as_wrong(tmp_path: Path) -> None:
    verbose = KETTLE | {"description": "word " * 300}
    write_bfcl(
        tmp_path,
        "simple_python",
        [question("long", "Boil a litre.", verbose), question("short", "Boil a litre.", KETTLE)],
        {name: [{"kettle.boil": {"litres": [1.0]}}] for name in ("long", "short")},
    )
    write_bfcl(tmp_path, "irrelevance", [question("none", "Sing.", verbose)])
    script = [CALLS, call("kettle.boil", litres=1)]
    results = measured(read_bfcl([tmp_path], 100), script, context_length=400)
    assert values(results) == {"irrelevance": 0.0, "simple_python": 0.5}
    assert results.faults() == {"does not fit the context": 2}


def test_toolalpaca_is_judged_by_exact_names_and_arguments(tmp_path: Path) -> None:
    benchmark = read_toolalpaca([write_toolalpaca(tmp_path)], 100)
    assert benchmark.left_out == {"no answer": 1}
    script = [
        *(CALLS, call("pour", drink="mint tea", cups=2)),
        *(CALLS, call("pour", drink="Cocoa")),
        *(CALLS, f"{call('close')}\n{call('pour', drink='tea')}"),
    ]
    results = measured(benchmark, script)
    assert values(results) == {
        "eval_own: tools": 1.0,
        "eval_own: tools and arguments": round(2 / 3, 4),
        "one call: tools": 1.0,
        "one call: tools and arguments": 0.5,
        "several calls: tools": 1.0,
        "several calls: tools and arguments": 1.0,
        "all: tools": 1.0,
        "all: tools and arguments": round(2 / 3, 4),
    }
    assert results.faults() == {"other arguments": 1}
    assert set(values(results)) == set(benchmark.labels)
    assert values(
        measured(benchmark, [CALLS, call("pour", drink="mint tea"), *[CALLS, call("close")] * 2])
    ) == {
        **dict.fromkeys(benchmark.labels, 0.0),
        "eval_own: tools": round(1 / 3, 4),
        "one call: tools": 0.5,
        "all: tools": round(1 / 3, 4),
    }


def water(tmp_path: Path) -> Benchmark:
    return read_paper([write_rows(tmp_path / "rows.jsonl")], 100)


def test_the_metrics_of_the_paper_as_released_and_strict(tmp_path: Path) -> None:
    script = [
        *(CALLS, call("boil", a=1, b=3)),
        *(plan("I know.", "summarizer"), "The kettle boils now."),
        *(CALLS, call("sing")),
    ]
    assert values(measured(water(tmp_path), script)) == {
        "compat: Plan ACC": round(2 / 3, 4),
        "compat: Act. EM": 1.0,
        "compat: Hallu.": round(1 / 3, 4),
        "compat: Arg. F1": 0.75,
        "compat: R-L": 0.75,
        "strict: Plan ACC": round(2 / 3, 4),
        "strict: Act. EM": 1.0,
        "strict: Hallu.": 0.5,
        "strict: Arg. F1": 0.5,
        "strict: R-L": 0.75,
    }


def test_a_wrong_hand_over_loses_the_step(tmp_path: Path) -> None:
    script = [*(plan("I know.", "summarizer"), "The water boils now."), GIVES_UP, GIVES_UP]
    results = measured(water(tmp_path), script)
    strict = {label: value for label, value in values(results).items() if label.startswith("strict")}
    assert strict == {
        "strict: Plan ACC": round(1 / 3, 4),
        "strict: Act. EM": 0.0,
        "strict: Hallu.": 0.0,
        "strict: Arg. F1": 0.0,
        "strict: R-L": 0.0,
    }
    assert results.faults() == {"another hand-over": 2}


def test_a_malformed_call_is_hallucinated_only_in_the_strict_mode(tmp_path: Path) -> None:
    figures = values(measured(water(tmp_path), [CALLS, "boil(1, 2)", GIVES_UP, GIVES_UP]))
    assert (figures["compat: Hallu."], figures["strict: Hallu."]) == (0.0, 1.0)


def test_the_baselines_of_the_paper_need_no_model(tmp_path: Path) -> None:
    benchmark = water(tmp_path)
    first, last = (values(Results(list(run(benchmark.cases, take)))) for take in benchmark.baselines.values())
    # Always "caller"; `boil` is the first unused tool of the first step, and has no arguments.
    assert first["strict: Plan ACC"] == round(1 / 3, 4)
    assert (first["strict: Act. EM"], first["strict: Arg. F1"], first["strict: R-L"]) == (1.0, 0.0, 0.0)
    # "It boils now." shares two words of three with the four of the reference.
    assert (last["strict: Plan ACC"], last["strict: R-L"]) == (round(1 / 3, 4), round(4 / 7, 4))


def test_a_cancelled_generation_ends_the_run(tmp_path: Path) -> None:
    benchmark = read_bfcl([write_simple(tmp_path, 3)], 100)
    engine = ScriptedEngine([GIVES_UP] * 3)
    outcomes = run(
        benchmark.cases,
        lambda case: take_step(engine, case.history, benchmark.roles, lambda: len(engine.seen) > 1),
    )
    assert [case.id for case, _ in outcomes] == ["simple_1"]


@pytest.mark.parametrize("read", [read_bfcl, read_toolalpaca])
def test_files_of_another_format_are_refused(read: object, tmp_path: Path) -> None:
    assert callable(read)
    write_rows(tmp_path / "rows.json")
    with pytest.raises(InputError, match="no questions of"):
        read([tmp_path / "rows.json"], 100)
    with pytest.raises(InputError, match="nowhere does not exist"):
        read([tmp_path / "nowhere"], 100)
    (tmp_path / "broken.json").write_text("[1, {")
    with pytest.raises(InputError, match="not JSON"):
        read([tmp_path / "broken.json"], 100)


def test_answers_that_do_not_belong_to_the_questions_are_left_out(tmp_path: Path) -> None:
    questions = [question(name, "Boil.", KETTLE) for name in ("right", "other", "none", "odd")]
    answers = {
        "right": [{"kettle.boil": {"litres": [1]}}],
        "other": [{"timer.set": {"minutes": [1]}}],
        "odd": [{"kettle.boil": {"litres": 1}}],
    }
    benchmark = read_bfcl([write_bfcl(tmp_path, "simple_python", questions, answers)], 100)
    assert [case.id for case in benchmark.cases] == ["right"]
    assert sum(benchmark.left_out.values()) == 3


def test_bootstrap_intervals_hold_the_ratio_and_narrow_with_more_cases() -> None:
    few, many = bootstrap_interval([1.0, 0.0] * 10), bootstrap_interval([1.0, 0.0] * 1000)
    assert few[0] < many[0] < 0.5 < many[1] < few[1]
    assert bootstrap_interval([]) == (0.0, 0.0)
    assert bootstrap_interval([1.0, 1.0]) == (1.0, 1.0)
    # One cluster of three calls, one of one: the ratio of sums is between the ratios of the two.
    low, high = bootstrap_interval([3.0, 0.0], [3.0, 1.0])
    assert (low, high) == (0.0, 1.0)
    assert bootstrap_interval([0.0, 0.0], [0.0, 0.0]) == (0.0, 0.0)
