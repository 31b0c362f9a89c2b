"""The generator: sums in a story, whose expression has the numbers of the question, and dates with dots."""

from __future__ import annotations

import random
import re
from datetime import date

import pytest

from agent.tools.lib.numbers.arithmetic import evaluate
from train.data.synthetic.intents import INTENTS
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Question, Step
from train.data.synthetic.worlds.world import make_world

NUMBER = re.compile(r"\d+(?:\.\d+)?")
KINDS = (
    *("price_of_many", "price_of_one", "single_of_dozen", "dozen_at_price", "percent_spelled"),
    *("saved_by_discount", "under_zero", "between_temperatures", "large_numbers", "take_from", "two_items"),
    *("in_and_out", "many_and_fee", "rest_shared", "three_factors", "rest_of_percent", "years_between"),
    *("warmer_or_colder", "groups", "share"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_each_number_of_the_expression_is_asked_or_follows_from_the_words_of_the_question(kind: str) -> None:
    sample = Sampler(random.Random(kind), "train")
    world = make_world(sample)
    for _ in range(20):
        script = INTENTS[kind].script(sample, world)
        asked, planned = next(script), next(script)
        assert isinstance(asked, Question)
        assert isinstance(planned, Step)
        said = set(NUMBER.findall(asked.text))
        follows = set(re.findall(r"[\w-] is -?(\d+)\b", planned.thought))
        counted = (
            set(re.findall(rf" (\d+) \* {NUMBER.pattern}", planned.thought)) if kind == "two_items" else set()
        )
        assert set(NUMBER.findall(planned.calls[0].arguments["expression"])) <= said | follows | counted


def test_the_minutes_between_two_times_are_those_of_the_clock() -> None:
    sample = Sampler(random.Random(9), "train")
    script = INTENTS["minutes_between"].script(sample, make_world(sample))
    asked, planned = next(script), next(script)
    assert isinstance(asked, Question)
    assert isinstance(planned, Step)
    first, second = (int(hour) * 60 + int(minute) for hour, minute in re.findall(r"(\d+):(\d\d)", asked.text))
    assert evaluate(planned.calls[0].arguments["expression"]) == second - first


def test_a_difference_takes_the_second_number_from_the_first_whatever_their_order_in_the_question() -> None:
    sample = Sampler(random.Random(5), "train")
    world = make_world(sample)
    checked = 0
    for _ in range(120):
        script = INTENTS["take_from"].script(sample, world)
        asked, planned = next(script), next(script)
        assert isinstance(asked, Question)
        assert isinstance(planned, Step)
        if order := re.search(
            rf"\b(?:subtract|deduct) ({NUMBER.pattern}) from ({NUMBER.pattern})", asked.text
        ):
            assert planned.calls[0].arguments["expression"] == f"{order[2]} - {order[1]}"
            checked += 1
    assert checked


def test_a_date_with_dots_has_the_day_first() -> None:
    sample = Sampler(random.Random(2), "train")
    written = [sample.write(date(2026, 3, 4)) for _ in range(60)]
    dotted = {day.text for day in written if "." in day.text}
    assert dotted == {"4.3.2026", "04.03.2026"}
    assert {day.value for day in written if day.text in dotted} == {"2026-03-04"}
