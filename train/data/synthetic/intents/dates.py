"""Intents over `current_time`, `add_days` and `days_between` with dates and days as they stand."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from agent.tools.lib.output import pluralize
from train.data.phrasings import names
from train.data.synthetic.actions import (
    clock,
    clock_parts,
    count_days,
    direction,
    join_reasons,
    shifted_date,
    time_answer,
)
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, intent
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.world import World

TIME_PATTERN = r"re:\d\d:\d\d"


@intent("current_time", topic="the time", weight=2.4)
def time_now(sample: Sampler, world: World) -> Script:
    return clock(sample.question("time_now"), "", "It is {time} on {weekday} {date}.", "time")


@intent("current_time", topic="the date", weight=5)
def date_today(sample: Sampler, world: World) -> Script:
    return clock(sample.question("date_today"), "", "Today is {weekday} {date}.", "date")


def city(sample: Sampler, now: datetime) -> tuple[str, str | None]:
    """Return a city, and the observation of its clock if the tool does not know it.

    In training some cities are made up, so that a model has to copy the name.
    """
    if not sample.is_test and sample.chance(0.3):
        parts = [sample.pseudo_word() for _ in range(sample.rng.choice((1, 1, 2)))]
        name = " ".join(parts)
        zone = ZoneInfo(sample.rng.choice([zone for _, zone in names.CITIES]))
        moment = now.astimezone(zone)
        return (name.title() if sample.chance(0.6) else name), f"{moment:%A %Y-%m-%d %H:%M} {zone.key}"
    if sample.chance(0.2):
        return sample.pick(names.COUNTRIES), None
    return sample.pick([spoken for spoken, _ in names.CITIES]), None


@intent("current_time", topic="the time", weight=7)
def time_in(sample: Sampler, world: World) -> Script:
    if sample.chance(0.08):
        place = sample.pseudo_word().capitalize()
        return clock(sample.question("time_in", city=place), place, "", "time_in")
    place, observation = city(sample, world.now)
    if observation is None:
        return clock(
            sample.question("time_in", city=place),
            place,
            f"In {place} it is {{time}} on {{weekday}} {{date}}.",
            "time_in",
        )
    return _made_up_city(sample.question("time_in", city=place), place, observation)


def _made_up_city(question: str, place: str, observation: str) -> Script:
    yield Question(question)
    turns = yield Step(
        f"I will look at the clock in {place} with {{tool}}.",
        (ToolCall("current_time", {"timezone": place}, observation),),
    )
    return time_answer(turns[0], place)


@intent("current_time", topic="the time", weight=1.6)
def time_in_town(sample: Sampler, world: World) -> Script:
    """The time in a place that the tool does not know: its zone is asked for instead."""
    place = sample.pick([place for place, _ in names.TOWNS])
    zone = dict(names.TOWNS)[place]
    yield Question(sample.question("time_in_town", city=place))
    arguments = {"timezone": place}
    turns = yield Step(
        f"I will look at the clock in {place} with {{tool}}.", (ToolCall("current_time", arguments),)
    )
    if turns[0].error:
        turns = yield Step(
            f"{place} is in the zone {zone}: I will look at the clock there with {{tool}}.",
            (ToolCall("current_time", {"timezone": zone}),),
        )
    weekday, date, time = clock_parts(turns[0])
    return Outcome(
        f"In {place} it is {time} on {weekday} {date}.",
        (TIME_PATTERN,),
        thought=f"The clock says {weekday} {date} {time}.",
        memory=Memory(Again("time_in", {"city": place}), day=date, weekday=weekday),
    )


@intent("current_time", topic="the time", weight=3.4)
def two_times(sample: Sampler, world: World) -> Script:
    (first, seen), (second, seen2) = city(sample, world.now), city(sample, world.now)
    while second.lower() == first.lower():
        second, seen2 = city(sample, world.now)
    yield Question(sample.question("two_times", city=first, city2=second))
    observations = yield Step(
        f"I will look at the clocks in {first} and {second} at once with {{tool}}.",
        (
            ToolCall("current_time", {"timezone": first}, seen),
            ToolCall("current_time", {"timezone": second}, seen2),
        ),
    )
    a, b = (clock_parts(turn)[2] for turn in observations)
    return Outcome(
        f"In {first} it is {a} and in {second} it is {b}.",
        (TIME_PATTERN,),
        thought=f"{first} has {a} and {second} has {b}.",
        memory=Memory(Again("time_in", {"city": second})),
    )


@intent("current_time", "list_files", topic="the time", weight=0.9)
def time_and_list(sample: Sampler, world: World) -> Script:
    yield Question(sample.question("time_and_list"))
    observations = yield Step(
        "I will look at the clock with {tool} and list the files with {last_tool}.",
        (ToolCall("current_time"), ToolCall("list_files")),
    )
    _, _, time = clock_parts(observations[0])
    files = observations[1].content
    return Outcome(
        f"It is {time}. The files are:\n{files}", (TIME_PATTERN, *files.split("\n")), memory=Memory()
    )


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


@intent("days_between", topic="dates", weight=2.2)
def days_until(sample: Sampler, world: World) -> Script:
    date = sample.write(world.now.date() + timedelta(days=sample.rng.randint(2, 900)))
    if sample.is_test:
        date = sample.write(sample.day())
    question = sample.question("days_until", date=date.text)
    return count_days(question, "today", date.value, date.why, relative=True)


@intent("current_time", "add_days", topic="dates", weight=0.8)
def coming_weekday(sample: Sampler, world: World) -> Script:
    """The date of the coming Friday: the clock tells the weekday of today, the rest is a count."""
    wanted = sample.rng.choice(_WEEKDAYS)
    yield Question(sample.question("coming_weekday", day=wanted))
    seen = yield Step("I need today's weekday first, from {tool}.", (ToolCall("current_time"),))
    weekday, _, _ = clock_parts(seen[0])
    away = (_WEEKDAYS.index(wanted) - _WEEKDAYS.index(weekday)) % 7 or 7
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


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
