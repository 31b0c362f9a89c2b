"""Intents over `current_time`: here, in a city, in a place that the tool does not know."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from train.data.phrasings import names
from train.data.synthetic.actions import (
    TIME_PATTERN,
    clock,
    clock_parts,
    look_at_clock,
)
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, intent, step
from train.data.synthetic.worlds.world import World


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
    if sample.chance(0.3):
        return sample.pick(names.COUNTRIES), None
    return sample.pick([spoken for spoken, _ in names.CITIES]), None


@intent("current_time", topic="the time", weight=16)
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
    return (yield from look_at_clock(place, observation))


@intent("current_time", topic="the time", weight=5)
def time_in_town(sample: Sampler, world: World) -> Script:
    """The time in a place that the tool does not know: its zone is asked for instead."""
    place = sample.pick([place for place, _ in names.TOWNS])
    zone = dict(names.TOWNS)[place]
    yield Question(sample.question(sample.rng.choice(("time_in_town", "time_in")), city=place))
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


@intent("current_time", topic="the time", weight=6)
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


@intent("current_time", "calculate", topic="the time", weight=2)
def hours_apart(sample: Sampler, world: World) -> Script:
    """By how many hours the clocks of two cities differ."""
    zones = dict(names.CITIES)
    first, second = sample.rng.sample(list(zones), 2)
    question = sample.question("hours_apart", city=first, city2=second)
    yield Question(question)
    seen = yield Step(
        f"First I will look at the clocks in {first} and {second} at once with {{tool}}.",
        (ToolCall("current_time", {"timezone": first}), ToolCall("current_time", {"timezone": second})),
    )
    clocks = [(*clock_parts(turn)[1:], place) for turn, place in zip(seen, (first, second), strict=True)]
    (day, time, ahead), (day2, time2, behind) = sorted(clocks, reverse=True)
    (h, m), (h2, m2) = (map(int, said.split(":")) for said in (time, time2))
    # The numbers 24 and 60 may stand in a call only where a word announces them.
    if (day != day2 or m != m2) and "hour" not in question.lower():
        raise ValueError(question)
    expression = f"{h} + 24 - {h2}" if day != day2 else f"{h} - {h2}"
    if m != m2:
        expression = f"{expression} + ({m} - {m2}) / 60"
    later = " of the next day" if day != day2 else ""
    seen = yield step(
        f"{ahead} has {time}{later} and {behind} has {time2}: I will work out {expression} with {{tool}}.",
        "calculate",
        expression=expression,
    )
    hours = seen[0].content
    said = f"{hours} hour" if hours == "1" else f"{hours} hours"
    same = f"{first} and {second} have the same time."
    return Outcome(
        same if hours == "0" else f"{ahead} is {said} ahead of {behind}.",
        () if hours == "0" else (hours,),
        thought=f"The result is {hours}.",
        memory=Memory(number=hours, unit="hours"),
    )


@intent("current_time", "calculate", topic="the time", weight=2)
def minutes_until(sample: Sampler, world: World) -> Script:
    """The minutes until a time of today: the clock first, then a difference."""
    now = world.now.hour * 60 + world.now.minute
    end = 5 * sample.rng.randint(now // 5 + 2, 24 * 12 - 1)
    hour, minute = divmod(end, 60)
    said = f"{hour}:{minute:02d}"
    question = sample.question("minutes_until", t=said)
    if "minute" not in question.lower():
        raise ValueError(question)
    yield Question(question)
    seen = yield step("I need the time first, from {tool}.", "current_time")
    time = clock_parts(seen[0])[2]
    h, m = map(int, time.split(":"))
    expression = f"({hour} * 60 + {minute}) - ({h} * 60 + {m})"
    seen = yield step(
        f"It is {time}; in minutes {said} is {hour} * 60 + {minute} and {time} is {h} * 60 + {m}: "
        f"I will work out {expression} with {{tool}}.",
        "calculate",
        expression=expression,
    )
    minutes = seen[0].content
    return Outcome(
        f"It is {minutes} minutes until {said}.",
        (r"re:\d+(?= minutes)",),
        thought=f"The result is {minutes}.",
        memory=Memory(number=minutes, unit="minutes"),
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
