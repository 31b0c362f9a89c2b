"""Intents over years and months: an age in years, a leap year, the length of a month, the past weekday."""

from __future__ import annotations

from datetime import date, timedelta

from agent.tools.lib.dates import MONTHS, WEEKDAYS
from agent.tools.lib.output import pluralize
from train.data.synthetic.actions import DATE_PATTERN, clock_parts, thought
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, give_up, intent, step
from train.data.synthetic.worlds.world import World


@intent("days_between", "calculate", topic="dates", weight=1.5)
def age_in_years(sample: Sampler, world: World) -> Script:
    """The whole years since a day: the days first, then a quotient."""
    today = world.now.date()
    born = today - timedelta(days=sample.rng.randint(800, 32_000))
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    written = sample.write(born)
    yield Question(sample.question("age_in_years", date=written.text))
    act = f"first I will count the days from {written.value} to today with {{tool}}, then divide by 365.25."
    seen = yield step(thought(act, written.why), "days_between", start=written.value, end="today")
    if seen[0].error:
        return give_up(f"It cannot be counted: {seen[0].content}.")
    days = seen[0].content.split(" ")[0]
    seen = yield step(
        f"A year has 365.25 days, full ones count: I will work out floor({days} / 365.25) with {{tool}}.",
        "calculate",
        expression=f"floor({days} / 365.25)",
    )
    # On a birthday the quotient may be a little below a whole number.
    if seen[0].content != str(years):
        raise ValueError(days)
    return Outcome(
        f"That is {years} years.",
        (r"re:\d+(?= years)",),
        thought=f"The result is {years}.",
        memory=Memory(number=str(years), unit="years"),
    )


@intent("days_between", topic="dates", weight=1)
def leap_year(sample: Sampler, world: World) -> Script:
    """From 28 February to 1 March there are two days in a leap year, else one."""
    year = sample.rng.choice((sample.rng.randint(1890, 2105), sample.rng.randint(480, 520) * 4))
    yield Question(sample.question("leap_year", y=year))
    seen = yield step(
        f"A leap year has a 29 February: I will count the days from 28 February {year} to 1 March {year} "
        "with {tool}.",
        "days_between",
        start=f"28 February {year}",
        end=f"1 March {year}",
    )
    if seen[0].error:
        return give_up(f"It cannot be counted: {seen[0].content}.")
    is_leap = seen[0].content.startswith("2 ")
    answer = f"Yes, {year} is a leap year." if is_leap else f"No, {year} is not a leap year."
    told = f"It is {seen[0].content}, so {year} is {'a' if is_leap else 'no'} leap year."
    return Outcome(answer, ("Yes" if is_leap else "No",), thought=told, memory=Memory())


@intent("days_between", topic="dates", weight=1.2)
def days_in_month(sample: Sampler, world: World) -> Script:
    """The days of a month, up to the first of the next one."""
    month, year = sample.rng.randrange(12), sample.rng.randint(1990, 2040)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    name, after = MONTHS[month].capitalize(), MONTHS[following.month - 1].capitalize()
    start, end = f"1 {name} {year}", f"1 {after} {following.year}"
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
