"""Intents over `current_time`, `add_days` and `days_between`, and `system_info`."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from train.data.phrasings import names
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, give_up, intent, step
from train.data.synthetic.world import World

CLOCK_THOUGHT = "I will look at the clock with {tool}."
ADD_THOUGHT = "I will move the date with {tool}."
COUNT_THOUGHT = "I will count the days with {tool}."

TIME_PATTERN = r"re:\d\d:\d\d"
DATE_PATTERN = r"re:\d{4}-\d\d-\d\d"


def _clock_observation(sample: Sampler, zone: str = "") -> str:
    """Return an observation of `current_time` at a random moment, so that no model learns one day."""
    when = datetime(2024, 1, 1) + timedelta(minutes=sample.rng.randrange(3_000_000))
    zone = zone or sample.rng.choice(("UTC", "UTC", "CET", "CEST", "EST", "PST", "BST"))
    return f"{when:%A %Y-%m-%d %H:%M} {zone}"


def _clock_parts(observation: str) -> tuple[str, str, str]:
    """Return weekday, date and time of an observation of `current_time`."""
    weekday, date, time, _ = observation.split(" ", 3)
    return weekday, date, time


@intent("current_time", topic="the time", weight=1.2)
def time_now(sample: Sampler, world: World) -> Script:
    yield Question(sample.question("time_now"))
    observations = yield Step(
        CLOCK_THOUGHT, (ToolCall("current_time", observation=_clock_observation(sample)),)
    )
    weekday, date, time = _clock_parts(observations[0].content)
    return Outcome(f"It is {time} on {weekday} {date}.", (TIME_PATTERN,))


@intent("current_time", topic="the date", weight=1.2)
def date_today(sample: Sampler, world: World) -> Script:
    yield Question(sample.question("date_today"))
    observations = yield Step(
        CLOCK_THOUGHT, (ToolCall("current_time", observation=_clock_observation(sample)),)
    )
    weekday, date, _ = _clock_parts(observations[0].content)
    return Outcome(f"Today is {weekday} {date}.", (DATE_PATTERN,))


def _city(sample: Sampler) -> tuple[str, str]:
    """Return a city and its time zone; in training some are made up, so that a model has to copy the name."""
    if not sample.is_test and sample.chance(0.35):
        parts = [sample.pseudo_word() for _ in range(sample.rng.choice((1, 1, 2)))]
        name = " ".join(parts)
        return (name.title() if sample.chance(0.6) else name), sample.rng.choice(
            [zone for _, zone in names.CITIES]
        )
    spoken = sample.pick([spoken for spoken, _ in names.CITIES])
    return spoken, dict(names.CITIES)[spoken]


@intent("current_time", topic="the time", weight=2)
def time_in(sample: Sampler, world: World) -> Script:
    city, zone = _city(sample)
    if sample.chance(0.1):
        made_up = sample.pseudo_word()
        city = made_up.capitalize() if sample.chance(0.5) else made_up
        observation, wrong = f"unknown time zone '{city}'", True
    else:
        observation, wrong = _clock_observation(sample, str(ZoneInfo(zone))), False
    yield Question(sample.question("time_in", city=city))
    observations = yield Step(
        CLOCK_THOUGHT, (ToolCall("current_time", {"timezone": city}, observation, wrong),)
    )
    if observations[0].error:
        return give_up(observations[0], f"I do not know the time zone of {city}.")
    weekday, date, time = _clock_parts(observations[0].content)
    return Outcome(f"In {city} it is {time} on {weekday} {date}.", (TIME_PATTERN,))


@intent("current_time", topic="the time", weight=0.7)
def two_times(sample: Sampler, world: World) -> Script:
    (first, zone), (second, zone2) = _city(sample), _city(sample)
    while second.lower() == first.lower():
        second, zone2 = _city(sample)
    yield Question(sample.question("two_times", city=first, city2=second))
    observations = yield Step(
        "Both times at once with {tool}.",
        (
            ToolCall("current_time", {"timezone": first}, _clock_observation(sample, zone)),
            ToolCall("current_time", {"timezone": second}, _clock_observation(sample, zone2)),
        ),
    )
    a, b = (_clock_parts(turn.content)[2] for turn in observations)
    return Outcome(f"In {first} it is {a} and in {second} it is {b}.", (TIME_PATTERN,))


@intent("current_time", "list_files", topic="the time", weight=0.4)
def time_and_list(sample: Sampler, world: World) -> Script:
    yield Question(sample.question("time_and_list"))
    observations = yield Step(
        "The clock with {tool} and the files at once.",
        (ToolCall("current_time", observation=_clock_observation(sample)), ToolCall("list_files")),
    )
    _, _, time = _clock_parts(observations[0].content)
    entries = ", ".join(observations[1].content.split("\n"))
    return Outcome(
        f"It is {time}. The files are {entries}.", (TIME_PATTERN, *observations[1].content.split("\n"))
    )


def _add_days(question: str, date: str, days: int) -> Script:
    yield Question(question)
    observations = yield step(ADD_THOUGHT, "add_days", date=date, days=days)
    if observations[0].error:
        return give_up(observations[0], f"It cannot be worked out: {observations[0].content}.")
    day, weekday = observations[0].content.split(" ")
    return Outcome(
        f"That is {weekday} {day}.", (day if date[0].isdigit() or date[0].isupper() else DATE_PATTERN,)
    )


@intent("add_days", topic="dates", weight=2)
def add_days(sample: Sampler, world: World) -> Script:
    date, days = sample.date(), sample.integer(2, 400)
    return _add_days(sample.question("add_days", date=date, days=days), date, int(days))


@intent("add_days", topic="dates", weight=1.2)
def days_before(sample: Sampler, world: World) -> Script:
    date, days = sample.date(), sample.integer(2, 400)
    return _add_days(sample.question("days_before", date=date, days=days), date, -int(days))


@intent("add_days", topic="dates", weight=1.2)
def from_today(sample: Sampler, world: World) -> Script:
    days = sample.integer(2, 400)
    return _add_days(sample.question("from_today", days=days), "today", int(days))


@intent("add_days", topic="dates", weight=0.8)
def days_ago(sample: Sampler, world: World) -> Script:
    days = sample.integer(2, 400)
    return _add_days(sample.question("days_ago", days=days), "today", -int(days))


def _count_days(question: str, start: str, end: str, expect: bool = True) -> Script:
    yield Question(question)
    observations = yield step(COUNT_THOUGHT, "days_between", start=start, end=end)
    if observations[0].error:
        return give_up(observations[0], f"It cannot be counted: {observations[0].content}.")
    days = observations[0].content
    number = days.split(" ")[0]
    return Outcome(f"It is {days} from {start} to {end}.", (number if expect else r"re:-?\d+(?= days?)",))


@intent("days_between", topic="dates", weight=3)
def days_between(sample: Sampler, world: World) -> Script:
    first, second = sorted((sample.day(), sample.day()))
    if sample.chance(0.5):
        second = first + timedelta(days=sample.rng.randint(3, 400))
    start, end = sample.format_date(first), sample.format_date(second)
    return _count_days(sample.question("days_between", d1=start, d2=end), start, end)


@intent("days_between", topic="dates", weight=1.5)
def days_until(sample: Sampler, world: World) -> Script:
    date = sample.date()
    return _count_days(sample.question("days_until", date=date), "today", date, expect=False)


@intent("system_info", topic="this computer", weight=1.5)
def system(sample: Sampler, world: World) -> Script:
    number = sample.rng.randint
    observation = (
        f"{sample.rng.choice(('Linux', 'Linux', 'macOS'))} {number(4, 26)}.{number(0, 19)}, "
        f"{sample.rng.choice(('x86_64', 'arm64', 'aarch64'))}, {number(1, 32)} cores, "
        f"{number(1, 128)} GB memory, "
        f"{number(1, 2000)} GB free disk, Python 3.{number(11, 14)}.{number(0, 15)}"
    )
    yield Question(sample.question("system"))
    observations = yield Step(
        "I will look at this computer with {tool}.", (ToolCall("system_info", observation=observation),)
    )
    return Outcome(f"This computer: {observations[0].content}.", (r"re:\d+ cores", r"re:\d+ GB memory"))
