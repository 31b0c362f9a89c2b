"""Whether a stock model calls or answers: the odds of the beginnings of its message."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.llama.calibration import LEAST_RESTRAINT, best_bias
from agent.llama.tool_choice import Logits, choose_tool, log_odds, measure_priors


def logits_of(table: dict[tuple[int, ...], list[float]]) -> Logits:
    """Return a model of four tokens that has read a prompt: log-probabilities by what follows the prompt."""

    def logits(more: Sequence[int]) -> NDArray[np.float32]:
        return np.log(np.array(table[tuple(more)], np.float32) + np.float32(1e-9))

    return logits


CALL, ANSWER, ONE, TWO = range(4)
OPENINGS = {"one": [CALL, ONE, 3], "two": [CALL, TWO, 2]}


def test_what_a_model_prefers_without_a_question_is_subtracted() -> None:
    asked = logits_of({(): [0.5, 0.5, 0.0, 0.0], (CALL,): [0.0, 0.0, 0.6, 0.4]})
    unasked = logits_of({(): [0.5, 0.5, 0.0, 0.0], (CALL,): [0.0, 0.0, 0.9, 0.1]})
    priors = measure_priors(OPENINGS, unasked)
    assert priors == {(CALL, ONE): pytest.approx(math.log(0.9)), (CALL, TWO): pytest.approx(math.log(0.1))}
    assert priors is not None
    plain = choose_tool(OPENINGS, [CALL], {}, asked)
    chosen = choose_tool(OPENINGS, [CALL], priors, asked)
    assert plain
    assert chosen
    assert (plain.name, chosen.name) == ("one", "two")
    assert chosen.score == pytest.approx(math.log(0.4) - math.log(0.1), abs=1e-5)


def test_an_answer_that_no_name_can_turn_into_a_call_costs_no_more() -> None:
    asked = logits_of({(): [0.1, 0.9, 0.0, 0.0]})
    priors = {(CALL, ONE): math.log(0.5), (CALL, TWO): math.log(0.5)}
    choice = choose_tool(OPENINGS, [CALL], priors, asked, least=0.0)
    assert choice
    assert choice.score == pytest.approx(math.log(1 / 9) + math.log(2), abs=1e-5)


def test_names_that_begin_alike_are_told_apart_where_they_differ() -> None:
    openings = {"find_a": [0, 1, 2, 0], "find_b": [0, 1, 3, 0], "read": [0, 2, 0]}
    table = {(): [1.0, 0, 0, 0], (0,): [0, 0.6, 0.4, 0], (0, 1): [0, 0, 0.3, 0.7]}
    choice = choose_tool(openings, [0], {}, logits_of(table))
    assert choice
    assert choice.name == "find_b"
    priors = measure_priors(openings, logits_of(table))
    assert priors is not None
    assert priors.keys() == {(0, 1), (0, 2), (0, 1, 2), (0, 1, 3)}


def test_odds_are_those_of_all_beginnings_together() -> None:
    logits = np.log(np.array([0.2, 0.2, 0.6], np.float32))
    assert log_odds(logits, [0, 1]) == pytest.approx(math.log(0.4 / 0.6), abs=1e-6)
    assert log_odds(np.array([0.0, -1e5], np.float32), [0]) == 50
    assert log_odds(np.array([0.0, -1e5], np.float32), [1]) == -50


@pytest.mark.parametrize("seed", range(5))
def test_a_bias_parts_calls_from_answers(seed: int) -> None:
    random = np.random.default_rng(seed)
    calls, answers = random.normal(2, 1, 30).tolist(), random.normal(0, 1, 30).tolist()
    bias = best_bias(calls, answers)
    held = [score for score in answers if score <= bias]
    assert len(held) >= LEAST_RESTRAINT * len(answers)
    assert not any(score == bias for score in calls + answers)
    assert best_bias([3.0, 4.0], [1.0, 2.0]) == 2.5
