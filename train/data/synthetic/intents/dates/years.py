"""Intents over the calendar around a day: the length of a month, the past weekday."""

from __future__ import annotations

from agent.tools.lib.dates import MONTHS, WEEKDAYS
from agent.tools.lib.output import pluralize
from train.data.synthetic.actions import DATE_PATTERN, clock_parts
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, intent, step
from train.data.synthetic.worlds.world import World


@intent("days_between", topic="dates", weight=1.2)
def days_in_month(sample: Sampler, world: World) -> Script:
    """The days of a month but the last of the year, up to the first of the next one."""
    month, year = sample.rng.randrange(11), sample.rng.randint(1990, 2040)
    name, after = MONTHS[month].capitalize(), MONTHS[month + 1].capitalize()
    start, end = f"1 {name} {year}", f"1 {after} {year}"
    yield Question(sample.question("days_in_month", m=name, y=year))
    seen = yield step(
        f"The month after is {after}: I will count the days from {start} to {end} with {{tool}}.",
        "days_between",
        start=start,
        end=end,
    )
    days = seen[0].content
    return Outcome(
        f"{name} {year} has {days}.",
        (days.split(" ")[0],),
        thought=f"It is {days}.",
        memory=Memory(Again("days_between", {"start": start, "end": end}), number=days.split(" ")[0]),
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
