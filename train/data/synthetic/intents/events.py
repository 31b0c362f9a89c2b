"""Intents over dates with a story (deadlines, warranties, ages), and two requests at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from agent.transcript import ToolTurn
from train.data.synthetic.actions import count_days, direction, join_reasons, shifted_date
from train.data.synthetic.intents.calendar import span
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import INTENTS, Intent, Question, Script, Step, intent
from train.data.synthetic.worlds.world import World

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@intent("add_days", topic="dates", weight=2.4)
def event_after(sample: Sampler, world: World) -> Script:
    """Something that begins on a date and ends a span later."""
    day, (text, days, why) = sample.written_date(), span(sample)
    question = sample.question("event_after", date=day.text, span=text)
    because = join_reasons(day.why, why, direction(question, days))
    return shifted_date(question, day.value, days, because, relative=day.relative)


@intent("add_days", topic="dates", weight=2.4)
def event_before(sample: Sampler, world: World) -> Script:
    """Something that has to be done a span before a date."""
    day, (text, days, why) = sample.written_date(), span(sample)
    question = sample.question("event_before", date=day.text, span=text)
    because = join_reasons(day.why, why, direction(question, -days))
    return shifted_date(question, day.value, -days, because, relative=day.relative)


@intent("days_between", topic="dates", weight=1.8)
def age_in_days(sample: Sampler, world: World) -> Script:
    day = world.now.date() - timedelta(days=sample.rng.randint(200, 28000))
    written = sample.write(sample.day() if sample.is_test else day)
    because = join_reasons(written.why, f"from {written.value} up to today")
    question = sample.question("age_in_days", date=written.text)
    return count_days(question, written.value, "today", because, relative=True)


@intent("add_days", topic="dates", weight=1.1)
def weekday_choice(sample: Sampler, world: World) -> Script:
    """Which of two weekdays a date is."""
    day = sample.day()
    written, first = sample.write(day), _WEEKDAYS[day.weekday()]
    second = sample.rng.choice([name for name in _WEEKDAYS if name != first])
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


_JOINTS = (
    *(" and ", ". And ", "? and ", "; also ", ", then ", ". Also, ", " plus: ", ". Then ", "? Plus: ", " + "),
    *(
        " and also ",
        ". Second question: ",
        ", and secondly ",
        "? Oh, and ",
        " & ",
        " / ",
        ", besides ",
        "? 2) ",
    ),
    *(
        " as well as ",
        "? and while you're at it: ",
        ". Apart from that: ",
        "; and ",
        ". one more: ",
        ", plus ",
    ),
)
_LEADS = (
    "two things: ",
    "Two questions. ",
    "i need both: ",
    "first ",
    "1) ",
    "Please answer both. ",
    "twofold: ",
)
"""Before two requests, sometimes."""
_BOTH: tuple[str, ...] = (
    *("time_in", "convert", "temperature", "percent_of", "multiply", "add", "from_today", "days_until"),
    *("weekday_of", "note_add", "info_size", "system", "date_today", "divide", "near_day", "span_after"),
    *(
        "span_from_today",
        "days_to_feast",
        "spelled_operation",
        "days_before",
        "tip",
        "average",
        "days_between",
    ),
    *("value_of", "stated_in_file", "stated_in_notes", "count_entries", "info_lines", "quantity_in"),
)
"""Intents that a person may ask two of at once; the first is never a note, whose text has no end."""


def _both(sample: Sampler, world: World) -> Script:
    """Two requests in one message: one after the other, and one answer for both."""
    first_name, second_name = sample.rng.sample(_BOTH, 2)
    if first_name == "note_add":
        first_name, second_name = second_name, first_name
    first, second = (INTENTS[name].script(sample, world) for name in (first_name, second_name))
    asked, asked2 = next(first), next(second)
    assert isinstance(asked, Question)
    assert isinstance(asked2, Question)
    joint = sample.rng.choice(_JOINTS)
    lead = sample.rng.choice(_LEADS) if sample.chance(0.15) else ""
    yield Question(f"{lead}{asked.text.rstrip('?.! ')}{joint}{asked2.text}")
    outcome = yield from first
    if outcome.gave_up:
        raise ValueError(first_name)
    outcome2 = yield from _led(second, outcome.thought)
    if outcome2.gave_up:
        raise ValueError(second_name)
    return replace(
        outcome2,
        answer=f"{outcome.answer.rstrip('.')}. {outcome2.answer}",
        expects=(*outcome.expects, *outcome2.expects),
        thought=f"{outcome.thought} {outcome2.thought}",
        memory=Memory(),
    )


def _led(script: Script, done: str) -> Script:
    """Run a script whose first thought begins with what is done already."""
    seen: list[ToolTurn] = []
    is_first = True
    try:
        said = script.send(None)  # type: ignore[arg-type]
        while True:
            if isinstance(said, Step) and is_first:
                said, is_first = Step(f"{done} Now the second request. {said.thought}", said.calls), False
            seen = yield said
            said = script.send(seen)
    except StopIteration as stop:
        return stop.value


def _needs() -> tuple[str, ...]:
    return tuple(dict.fromkeys(tool for name in _BOTH for tool in INTENTS[name].needs))


INTENTS["both"] = Intent("both", _needs(), "several", 1.4, _both)
