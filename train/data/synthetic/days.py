"""Intents over `current_time`, `add_days` and `days_between`, and `system_info`."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from train.data.phrasings import names
from train.data.synthetic.draw import Draw
from train.data.synthetic.plan import Ask, End, Script, Step, Use, failed, intent, step
from train.data.synthetic.world import World

LOOK = "I will look at the clock with {tool}."
MOVE = "I will move the date with {tool}."
COUNT = "I will count the days with {tool}."

TIME = r"re:\d\d:\d\d"
DATE = r"re:\d{4}-\d\d-\d\d"


def _now(d: Draw, zone: str = "") -> str:
    """A clock's observation at a random moment: training must not teach one day."""
    when = datetime(2024, 1, 1) + timedelta(minutes=d.rng.randrange(3_000_000))
    return (
        f"{when:%A %Y-%m-%d %H:%M} {zone or d.rng.choice(('UTC', 'UTC', 'CET', 'CEST', 'EST', 'PST', 'BST'))}"
    )


def _parts(seen: str) -> tuple[str, str, str]:
    """Weekday, date and time of a clock's observation."""
    weekday, date, time, _ = seen.split(" ", 3)
    return weekday, date, time


@intent("current_time", topic="the time", weight=1.2)
def time_now(d: Draw, world: World) -> Script:
    yield Ask(d.question("time_now"))
    seen = yield Step(LOOK, (Use("current_time", seen=_now(d)),))
    weekday, date, time = _parts(seen[0].content)
    return End(f"It is {time} on {weekday} {date}.", (TIME,))


@intent("current_time", topic="the date", weight=1.2)
def date_today(d: Draw, world: World) -> Script:
    yield Ask(d.question("date_today"))
    seen = yield Step(LOOK, (Use("current_time", seen=_now(d)),))
    weekday, date, _ = _parts(seen[0].content)
    return End(f"Today is {weekday} {date}.", (DATE,))


def _city(d: Draw) -> tuple[str, str]:
    """A city as people write it and its zone; in training some are made up, so that names are copied."""
    if not d.held and d.chance(0.35):
        parts = [d.pseudo_word() for _ in range(d.rng.choice((1, 1, 2)))]
        name = " ".join(parts)
        return (name.title() if d.chance(0.6) else name), d.rng.choice([zone for _, zone in names.CITIES])
    spoken = d.pick([spoken for spoken, _ in names.CITIES])
    return spoken, dict(names.CITIES)[spoken]


@intent("current_time", topic="the time", weight=2)
def time_in(d: Draw, world: World) -> Script:
    city, zone = _city(d)
    if d.chance(0.1):
        made_up = d.pseudo_word()
        city = made_up.capitalize() if d.chance(0.5) else made_up
        seen_text, wrong = f"unknown time zone '{city}'", True
    else:
        seen_text, wrong = _now(d, str(ZoneInfo(zone))), False
    yield Ask(d.question("time_in", city=city))
    seen = yield Step(LOOK, (Use("current_time", {"timezone": city}, seen_text, wrong),))
    if seen[0].error:
        return failed(seen[0], f"I do not know the time zone of {city}.")
    weekday, date, time = _parts(seen[0].content)
    return End(f"In {city} it is {time} on {weekday} {date}.", (TIME,))


@intent("current_time", topic="the time", weight=0.7)
def two_times(d: Draw, world: World) -> Script:
    (first, zone), (second, zone2) = _city(d), _city(d)
    while second.lower() == first.lower():
        second, zone2 = _city(d)
    yield Ask(d.question("two_times", city=first, city2=second))
    seen = yield Step(
        "Both times at once with {tool}.",
        (
            Use("current_time", {"timezone": first}, _now(d, zone)),
            Use("current_time", {"timezone": second}, _now(d, zone2)),
        ),
    )
    a, b = (_parts(turn.content)[2] for turn in seen)
    return End(f"In {first} it is {a} and in {second} it is {b}.", (TIME,))


@intent("current_time", "list_files", topic="the time", weight=0.4)
def time_and_list(d: Draw, world: World) -> Script:
    yield Ask(d.question("time_and_list"))
    seen = yield Step(
        "The clock with {tool} and the files at once.", (Use("current_time", seen=_now(d)), Use("list_files"))
    )
    _, _, time = _parts(seen[0].content)
    entries = ", ".join(seen[1].content.split("\n"))
    return End(f"It is {time}. The files are {entries}.", (TIME, *seen[1].content.split("\n")))


def _moved(question: str, date: str, days: int) -> Script:
    yield Ask(question)
    seen = yield step(MOVE, "add_days", date=date, days=days)
    if seen[0].error:
        return failed(seen[0], f"It cannot be worked out: {seen[0].content}.")
    day, weekday = seen[0].content.split(" ")
    return End(f"That is {weekday} {day}.", (day if date[0].isdigit() or date[0].isupper() else DATE,))


@intent("add_days", topic="dates", weight=2)
def add_days(d: Draw, world: World) -> Script:
    date, days = d.date(), d.integer(2, 400)
    return _moved(d.question("add_days", date=date, days=days), date, int(days))


@intent("add_days", topic="dates", weight=1.2)
def days_before(d: Draw, world: World) -> Script:
    date, days = d.date(), d.integer(2, 400)
    return _moved(d.question("days_before", date=date, days=days), date, -int(days))


@intent("add_days", topic="dates", weight=1.2)
def from_today(d: Draw, world: World) -> Script:
    days = d.integer(2, 400)
    return _moved(d.question("from_today", days=days), "today", int(days))


@intent("add_days", topic="dates", weight=0.8)
def days_ago(d: Draw, world: World) -> Script:
    days = d.integer(2, 400)
    return _moved(d.question("days_ago", days=days), "today", -int(days))


def _counted(question: str, start: str, end: str, expect: bool = True) -> Script:
    yield Ask(question)
    seen = yield step(COUNT, "days_between", start=start, end=end)
    if seen[0].error:
        return failed(seen[0], f"It cannot be counted: {seen[0].content}.")
    days = seen[0].content
    number = days.split(" ")[0]
    return End(f"It is {days} from {start} to {end}.", (number if expect else r"re:-?\d+(?= days?)",))


@intent("days_between", topic="dates", weight=3)
def days_between(d: Draw, world: World) -> Script:
    first, second = sorted((d.day(), d.day()))
    if d.chance(0.5):
        second = first + timedelta(days=d.rng.randint(3, 400))
    start, end = d.spoken(first), d.spoken(second)
    return _counted(d.question("days_between", d1=start, d2=end), start, end)


@intent("days_between", topic="dates", weight=1.5)
def days_until(d: Draw, world: World) -> Script:
    date = d.date()
    return _counted(d.question("days_until", date=date), "today", date, expect=False)


@intent("system_info", topic="this computer", weight=1.5)
def system(d: Draw, world: World) -> Script:
    number = d.rng.randint
    seen_text = (
        f"{d.rng.choice(('Linux', 'Linux', 'macOS'))} {number(4, 26)}.{number(0, 19)}, "
        f"{d.rng.choice(('x86_64', 'arm64', 'aarch64'))}, {number(1, 32)} cores, "
        f"{number(1, 128)} GB memory, "
        f"{number(1, 2000)} GB free disk, Python 3.{number(11, 14)}.{number(0, 15)}"
    )
    yield Ask(d.question("system"))
    seen = yield Step("I will look at this computer with {tool}.", (Use("system_info", seen=seen_text),))
    return End(f"This computer: {seen[0].content}.", (r"re:\d+ cores", r"re:\d+ GB memory"))
