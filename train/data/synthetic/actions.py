"""Requests of one call that intents and follow-ups share: the thought, the call, the answer, the memory.

A thought copies the values that the call needs, and says how they follow from the question where they do not
stand in it: that line is what lets a small model derive its arguments.
"""

from __future__ import annotations

import re

from agent.tools.lib.output import pluralize
from agent.transcript import ToolTurn
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, give_up, step

DATE_PATTERN = r"re:\d{4}-\d\d-\d\d"
TIME_PATTERN = r"re:\d\d:\d\d"
DAYS_PATTERN = r"re:-?\d+(?= days?)"


def thought(act: str, because: str = "") -> str:
    """Return a thought that ends in an act, after what it follows from."""
    return f"{because}: {act}" if because else act[0].upper() + act[1:]


def json_number(text: str) -> int | float:
    """Return the number that a text of digits stands for."""
    return float(text) if "." in text else int(text)


def calculate(
    question: str, expression: str, say: str = "{e} = {r}", because: str = "", again: Again | None = None
) -> Script:
    """Ask a question that one expression answers; `say` has the places {e} and {r} (the result)."""
    yield Question(question)
    return (yield from work_out(expression, say, because, again))


def work_out(
    expression: str, say: str = "{e} = {r}", because: str = "", again: Again | None = None
) -> Script:
    """Calculate an expression and answer, after a question."""
    act = thought(f"I will work out {expression} with {{tool}}.", because)
    observations = yield step(act, "calculate", expression=expression)
    if observations[0].error:
        return give_up(f"It cannot be worked out: {observations[0].content}.")
    result = observations[0].content
    return Outcome(
        say.format(e=expression, r=result),
        (result,),
        thought=f"The result is {result}.",
        memory=Memory(again or Again("expression", {"e": expression}), number=result),
    )


def conversion(question: str, value: str, source: str, target: str, because: str = "") -> Script:
    """Ask for a conversion; the value stands in the question as it is in the call, or `because` says why."""
    yield Question(question)
    return (yield from change_units(value, source, target, because))


def change_units(value: str, source: str, target: str, because: str = "", say: str = "") -> Script:
    """Convert units and answer, after a question; `say` has the place {r} (the result)."""
    act = thought(f"I will convert {value} {source} to {target} with {{tool}}.", because)
    observations = yield step(
        act, "convert_units", value=json_number(value), from_unit=source, to_unit=target
    )
    if observations[0].error:
        return give_up(f"It cannot be converted: {observations[0].content}.")
    result = observations[0].content
    number, _, unit = result.partition(" ")
    return Outcome(
        (say or ("That is {r}." if because else f"{value} {source} is {{r}}.")).format(r=result),
        (number,),
        thought=f"The result is {result}.",
        memory=Memory(Again("convert", {"v": value, "u1": source, "u2": target}), number=number, unit=unit),
    )


_BACK = (
    *(
        "before",
        "beforehand",
        "earlier",
        "ago",
        "prior to",
        "preceding",
        "in advance",
        "ahead of",
        "in front of",
    ),
    *(
        "backwards",
        "back",
        "minus",
        "subtract",
        "deduct",
        "take away",
        "take",
        "less",
        "rewind",
        "early",
        "remove",
    ),
)
_FORWARD = (
    *("after", "afterwards", "later", "past", "following", "from now", "from today", "on from", "forward"),
    *("within", "hence", "plus", "add", "lasts", "for", "takes", "from", "in"),
)
"""Words that tell the direction of a count of days, the clearest first."""


def direction(question: str, days: int) -> str:
    """Return which word of a question says whether days are counted forward or back."""
    words, default, sign = (_FORWARD, "after", "plus") if days > 0 else (_BACK, "before", "minus")
    said = question.lower()
    found = (word for word in words if re.search(rf"\b{word}\b", said))
    return f"{next(found, default)} means {sign}"


def join_reasons(*parts: str) -> str:
    """Return the parts that say something, with commas between them."""
    return ", ".join(part for part in parts if part)


_ASSUMED = {
    "a month counted": " A month is counted as thirty days.",
    "a year counted": " A year is counted without leap days.",
}
"""What an answer says of a span whose length in days the calendar would give otherwise."""


def shifted_date(
    question: str,
    date: str,
    days: int,
    because: str = "",
    *,
    relative: bool = False,
    say: str = "That is {weekday} {day}.",
    slots: dict[str, str] | None = None,
) -> Script:
    """Ask for the day so many days after a date; `relative`: it depends on today."""
    yield Question(question)
    return (yield from shift(date, days, because, relative=relative, say=say, slots=slots))


def shift(
    date: str,
    days: int,
    because: str = "",
    *,
    relative: bool = False,
    say: str = "That is {weekday} {day}.",
    slots: dict[str, str] | None = None,
) -> Script:
    """Move a date and answer, after a question."""
    act = thought(f"I will move {date} by {pluralize(days, 'day')} with {{tool}}.", because)
    observations = yield step(act, "add_days", date=date, days=days)
    if observations[0].error:
        return give_up(f"It cannot be worked out: {observations[0].content}.")
    day, weekday = observations[0].content.split(" ")
    assumed = next((said for unit, said in _ASSUMED.items() if unit in because), "")
    return Outcome(
        f"{say.format(day=day, weekday=weekday)}{assumed}",
        (DATE_PATTERN if relative else day,) if "{day}" in say else (weekday,),
        thought=f"It is {day}, a {weekday}.",
        memory=Memory(
            Again("add_days", {"date": date, "days": str(days)} | (slots or {})), day=day, weekday=weekday
        ),
    )


def count_days(
    question: str, start: str, end: str, because: str = "", *, relative: bool = False, say: str = ""
) -> Script:
    """Ask how many days lie between two dates."""
    yield Question(question)
    return (yield from days_from_to(start, end, because, relative=relative, say=say))


def days_from_to(start: str, end: str, because: str = "", *, relative: bool = False, say: str = "") -> Script:
    """Count days and answer, after a question."""
    act = thought(f"I will count the days from {start} to {end} with {{tool}}.", because)
    observations = yield step(act, "days_between", start=start, end=end)
    if observations[0].error:
        return give_up(f"It cannot be counted: {observations[0].content}.")
    days = observations[0].content
    number = days.split(" ")[0]
    say = say or ("It is {days}." if because else f"It is {{days}} from {start} to {end}.")
    return Outcome(
        say.format(days=days),
        (DAYS_PATTERN if relative else number,),
        thought=f"It is {days}.",
        memory=Memory(Again("days_between", {"start": start, "end": end}), number=number, unit="days"),
    )


def clock(question: str, place: str, say: str, again: str) -> Script:
    """Ask for the time or date; `say` has {weekday}, {date}, {time}, `place` is empty for here."""
    yield Question(question)
    arguments = {"timezone": place} if place else {}
    where = f" in {place}" if place else ""
    observations = yield Step(
        f"I will look at the clock{where} with {{tool}}.", (ToolCall("current_time", arguments),)
    )
    if observations[0].error:
        return give_up(f"I do not know the time zone of {place}.")
    weekday, date, time = clock_parts(observations[0])
    expects = (TIME_PATTERN,) if "{time}" in say else (DATE_PATTERN,) if "{date}" in say else ()
    return Outcome(
        say.format(weekday=weekday, date=date, time=time),
        expects,
        thought=f"The clock says {weekday} {date} {time}.",
        memory=Memory(Again(again, {"city": place}), day=date, weekday=weekday),
    )


def clock_parts(observation: ToolTurn) -> tuple[str, str, str]:
    """Return weekday, date and time of an observation of `current_time`."""
    weekday, date, time, _ = observation.content.split(" ", 3)
    return weekday, date, time


def look_at_clock(place: str, observation: str | None = None) -> Script:
    """Look at the clock in a place and answer, after a question; `observation` stands for the tool's."""
    turns = yield Step(
        f"I will look at the clock in {place} with {{tool}}.",
        (ToolCall("current_time", {"timezone": place}, observation),),
    )
    if turns[0].error:
        return give_up(f"I do not know the time zone of {place}.")
    return time_answer(turns[0], place)


def time_answer(observation: ToolTurn, place: str) -> Outcome:
    """Return the answer that gives the time and date in a place, as `current_time` said."""
    weekday, date, time = clock_parts(observation)
    return Outcome(
        f"In {place} it is {time} on {weekday} {date}.",
        (TIME_PATTERN,),
        thought=f"The clock says {weekday} {date} {time}.",
        memory=Memory(Again("time_in", {"city": place})),
    )
