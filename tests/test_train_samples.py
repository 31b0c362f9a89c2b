"""Scoring without a model: the sample of turns, batches of prompts, baselines, each role's metric."""

from __future__ import annotations

import pytest
from tiny_base import ECHO, tiny_rows

from agent.evaluation.tasks import baselines, primary_metric, sample_tasks
from agent.transcript import (
    ROLES,
    Call,
    CallerTurn,
    PlannerTurn,
    Row,
    Transcript,
    UserTurn,
    parse_calls,
)
from train.loop.scoring import role_part
from train.model.generation import batches


def test_batches_hold_prompts_of_similar_length_and_no_more_tokens_than_asked() -> None:
    lengths = [30, 5, 200, 7, 31, 6, 90]
    made = list(batches(lengths, 10, 100))
    assert sorted(at for batch in made for at in batch) == list(range(len(lengths)))
    assert made == [[1, 5, 3], [0, 4], [6], [2]]
    assert list(batches([], 10, 100)) == []


def test_the_sample_is_spread_over_all_kinds_of_turns() -> None:
    rows = [row for row in tiny_rows(80) if len(row.transcript.turns) == 6]
    chosen = sample_tasks(rows, "planner", len(rows))
    kinds = [case.reference.next for case in chosen if isinstance(case.reference, PlannerTurn)]
    assert 0.3 < kinds.count("caller") / len(kinds) < 0.7
    assert chosen == sample_tasks(rows, "planner", len(rows))
    questions = [case.history.turns[0] for case in sample_tasks(rows, "caller", 6)]
    at = [[row.transcript.turns[0] for row in rows].index(question) for question in questions]
    assert at == sorted(set(at))
    assert [index // (len(rows) // 6) for index in at] == list(range(6))
    everything = sample_tasks(rows, "caller")
    assert everything == sample_tasks(rows, "caller", 10**6)
    assert len(everything) == len(rows)


def test_baselines_by_hand() -> None:
    rows = tiny_rows(8)
    assert baselines(rows, "planner") == {"plan_acc": 6 / 14}
    assert baselines(rows, "caller") == {"act_em": 1, "arg_f1": 0, "call_em": 0, "hallu": 0}
    scores = baselines(rows, "summarizer")
    # "4" against "It is 4." for six of eight; two answer small talk, before which nothing was observed.
    assert scores == {"rouge_l": pytest.approx(6 / 8 * 1 / 2), "exact": 0}
    every = baselines(rows, "backbone")
    assert every["mean"] == every[primary_metric("backbone")]
    assert every["mean"] == pytest.approx((6 / 14 + 0 + 6 / 16) / 3)
    assert every["caller.act_em"] == 1
    assert baselines([], "caller") == baselines([], "backbone") == {}
    bare = Row("x", "x", "valid", Transcript((ECHO,), (UserTurn("hi"), CallerTurn((Call("echo", {}),)))))
    assert baselines([bare], "caller")["call_em"] == 1


def test_what_the_one_model_writes_is_split_among_the_roles() -> None:
    text = 'I add.\nNext: caller\n{"name":"add","arguments":{}}\n{"name":"echo","arguments":{}}'
    assert role_part(text, "planner") == "I add.\nNext: caller"
    assert len(parse_calls(role_part(text, "caller")) or ()) == 2
    assert role_part(text, "summarizer") == ""
    assert role_part("Next: summarizer\nNext: caller", "summarizer") == "Next: caller"
    assert role_part("no ending", "planner") == "no ending"
    assert role_part("no ending", "caller") == ""


def test_each_role_has_a_primary_metric() -> None:
    assert [primary_metric(role) for role in (*ROLES, "backbone")] == [
        "plan_acc",
        "call_em",
        "rouge_l",
        "mean",
    ]
