"""Intents over `add_days` and `days_between` with dates and numbers of days as they stand."""

from __future__ import annotations

from datetime import timedelta

from agent.tools.lib.dates import WEEKDAYS
from agent.tools.lib.output import pluralize
from train.data.synthetic.actions import (
    DATE_PATTERN,
    clock_parts,
    count_days,
    direction,
    join_reasons,
    shifted_date,
)
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, intent
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.world import World


def counted_days(sample: Sampler) -> tuple[str, int, str]:
    """Return a number of days in digits or in words, its value, and that they are equal where in words."""
    if sample.chance(0.6):
        days = sample.integer(2, 400)
        return days, int(days), ""
    tens = sample.rng.randint(2, 12) * 10
    days = sample.rng.choice((tens, tens, sample.rng.randint(2, 20), sample.rng.randint(21, 400)))
    words = number_words(days)
    if sample.chance(0.3):
        words = words.replace("-", " ")
    return words, days, f"{words} is {days}"


@intent("add_days", topic="dates", weight=1.8)
def add_days(sample: Sampler, world: World) -> Script:
    day, (text, days, why) = sample.written_date(), counted_days(sample)
    question = sample.question("add_days", date=day.text, days=text)
    because = join_reasons(day.why, why, direction(question, days))
    return shifted_date(question, day.value, days, because, relative=day.relative)


@intent("add_days", topic="dates", weight=1.8)
def days_before(sample: Sampler, world: World) -> Script:
    day, (text, days, why) = sample.written_date(), counted_days(sample)
    question = sample.question("days_before", date=day.text, days=text)
    because = join_reasons(day.why, why, direction(question, -days))
    return shifted_date(question, day.value, -days, because, relative=day.relative)


@intent("add_days", topic="dates", weight=1.4)
def from_today(sample: Sampler, world: World) -> Script:
    text, days, why = counted_days(sample)
    question = sample.question("from_today", days=text)
    because = join_reasons(why, direction(question, days))
    return shifted_date(question, "today", days, because, relative=True)


@intent("add_days", topic="dates", weight=1)
def days_ago(sample: Sampler, world: World) -> Script:
    text, days, why = counted_days(sample)
    question = sample.question("days_ago", days=text)
    because = join_reasons(why, direction(question, -days))
    return shifted_date(question, "today", -days, because, relative=True)


@intent("days_between", topic="dates", weight=4)
def days_between(sample: Sampler, world: World) -> Script:
    first, second = sorted((sample.day(), sample.day()))
    if sample.chance(0.5):
        second = first + timedelta(days=sample.rng.randint(3, 400))
    start, end = sample.write(first), sample.write(second)
    question = sample.question("days_between", d1=start.text, d2=end.text)
    return count_days(question, start.value, end.value, join_reasons(start.why, end.why))


@intent("days_between", topic="dates", weight=3)
def days_until(sample: Sampler, world: World) -> Script:
    date = sample.write(world.now.date() + timedelta(days=sample.rng.randint(2, 900)))
    if sample.is_test:
        date = sample.write(sample.day())
    question = sample.question("days_until", date=date.text)
    return count_days(question, "today", date.value, date.why, relative=True)


@intent("current_time", "add_days", topic="dates", weight=1.6)
def coming_weekday(sample: Sampler, world: World) -> Script:
    """The date of the coming Friday: the clock tells the weekday of today, the rest is a count."""
    wanted = sample.rng.choice(WEEKDAYS)
    yield Question(sample.question("coming_weekday", day=wanted))
    seen = yield Step("I need today's weekday first, from {tool}.", (ToolCall("current_time"),))
    weekday, _, _ = clock_parts(seen[0])
    away = (WEEKDAYS.index(wanted) - WEEKDAYS.index(weekday)) % 7 or 7
    days = pluralize(away, "day")
    observations = yield Step(
        f"Today is {weekday} and {wanted} is {days} later: I will move today by {days} with {{tool}}.",
        (ToolCall("add_days", {"date": "today", "days": away}),),
    )
    day, name = observations[0].content.split(" ")
    return Outcome(
        f"That is {name} {day}.",
        (r"re:\d{4}-\d\d-\d\d(?= [A-Z])",),
        thought=f"It is {day}, a {name}.",
        memory=Memory(Again("add_days", {"date": "today"}), day=day, weekday=name),
    )


@intent("current_time", "add_days", topic="dates", weight=1)
def past_weekday(sample: Sampler, world: World) -> Script:
    """The date of the last Friday: the clock tells the weekday of today, the rest is a count."""
    wanted = sample.rng.choice(WEEKDAYS)
    yield Question(sample.question("past_weekday", day=wanted))
    seen = yield Step("I need today's weekday first, from {tool}.", (ToolCall("current_time"),))
    weekday, _, _ = clock_parts(seen[0])
    back = (WEEKDAYS.index(weekday) - WEEKDAYS.index(wanted)) % 7 or 7
    days = pluralize(back, "day")
    observations = yield Step(
        f"Today is {weekday} and {wanted} was {days} earlier: I will move today by -{days} with {{tool}}.",
        (ToolCall("add_days", {"date": "today", "days": -back}),),
    )
    day, name = observations[0].content.split(" ")
    return Outcome(
        f"That was {name} {day}.",
        (DATE_PATTERN,),
        thought=f"It is {day}, a {name}.",
        memory=Memory(Again("add_days", {"date": "today"}), day=day, weekday=name),
    )
