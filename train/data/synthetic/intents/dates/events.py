"""Intents over dates with a story: deadlines, warranties, ages, weekdays to choose from."""

from __future__ import annotations

from datetime import timedelta

from agent.tools.lib.dates import WEEKDAYS
from train.data.synthetic.actions import count_days, direction, join_reasons, shifted_date
from train.data.synthetic.intents.dates.calendar import span
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Script, intent
from train.data.synthetic.worlds.world import World


@intent("add_days", topic="dates", weight=7)
def event_after(sample: Sampler, world: World) -> Script:
    """Something that begins on a date and ends a span later."""
    day, (text, days, why) = sample.written_date(), span(sample)
    question = sample.question("event_after", date=day.text, span=text)
    because = join_reasons(day.why, why, direction(question, days))
    return shifted_date(question, day.value, days, because, relative=day.relative)


@intent("add_days", topic="dates", weight=4.5)
def event_before(sample: Sampler, world: World) -> Script:
    """Something that has to be done a span before a date."""
    day, (text, days, why) = sample.written_date(), span(sample)
    question = sample.question("event_before", date=day.text, span=text)
    because = join_reasons(day.why, why, direction(question, -days))
    return shifted_date(question, day.value, -days, because, relative=day.relative)


@intent("days_between", topic="dates", weight=6)
def age_in_days(sample: Sampler, world: World) -> Script:
    day = world.now.date() - timedelta(days=sample.rng.randint(200, 28000))
    written = sample.write(sample.day() if sample.is_test else day)
    because = join_reasons(written.why, f"from {written.value} up to today")
    question = sample.question("age_in_days", date=written.text)
    return count_days(question, written.value, "today", because, relative=True)


@intent("add_days", topic="dates", weight=4)
def weekday_after(sample: Sampler, world: World) -> Script:
    """The weekday of the day a span after or before today or a date."""
    text, days, why = span(sample)
    day = sample.written_date()
    if sample.chance(0.4):
        later = sample.chance(0.6)
        section = "weekday_in" if later else "weekday_ago"
        start, because, relative, slots = "today", "", True, {"span": text}
    else:
        later = sample.chance(0.7)
        section = "weekday_after" if later else "weekday_before"
        start, because, relative, slots = day.value, day.why, day.relative, {"span": text, "date": day.text}
    days = days if later else -days
    question = sample.question(section, **slots)
    because = join_reasons(because, why, direction(question, days))
    say = "That is a {weekday}, {day}."
    return shifted_date(question, start, days, because, relative=relative, say=say)


@intent("add_days", topic="dates", weight=2)
def weekday_choice(sample: Sampler, world: World) -> Script:
    """Which of two weekdays a date is."""
    day = sample.day()
    written, first = sample.write(day), WEEKDAYS[day.weekday()]
    second = sample.rng.choice([name for name in WEEKDAYS if name != first])
    pair = [first, second]
    sample.rng.shuffle(pair)
    because = join_reasons(written.why, "0 days tell the weekday")
    question = sample.question("weekday_choice", date=written.text, day=pair[0], day2=pair[1])
    return shifted_date(
        question, written.value, 0, because, say="{day} is a {weekday}.", slots={"kind": "weekday"}
    )


@intent("days_between", topic="dates", weight=1.9)
def days_day_first(sample: Sampler, world: World) -> Script:
    """The days between two dates as they are written with points, the day first."""
    first = sample.day()
    second = first + timedelta(days=sample.rng.randint(3, 500))
    start, end = (f"{day.day}.{day.month}.{day.year}" for day in (first, second))
    because = f"the day comes first, so {start} is {first.isoformat()} and {end} is {second.isoformat()}"
    question = sample.question("days_day_first", d1=start, d2=end)
    return count_days(question, first.isoformat(), second.isoformat(), because)


@intent("add_days", topic="dates", weight=0.5)
def no_such_day(sample: Sampler, world: World) -> Script:
    """A day that does not exist: the tool says so."""
    number, month = sample.rng.choice(
        ((30, "February"), (31, "February"), (31, "April"), (31, "June"), (31, "September"), (31, "November"))
    )
    year, days = sample.rng.randint(2015, 2035), sample.integer(2, 40)
    text = sample.rng.choice(
        (f"{number} {month} {year}", f"{month} {number} {year}", f"{month} {number}, {year}")
    )
    question = sample.question("add_days", date=text, days=days)
    return shifted_date(question, text, int(days), direction(question, int(days)))
