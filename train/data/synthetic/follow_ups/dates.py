"""Follow-ups to dates and times: another place, another span, a step from the day that resulted."""

from __future__ import annotations

from datetime import timedelta

from agent.tools.lib.dates import fixed_clock, parse_date
from train.data.synthetic.actions import TIME_PATTERN, clock_parts, days_from_to, shift
from train.data.synthetic.intents.dates.calendar import span
from train.data.synthetic.intents.dates.clock import city
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, follow_up
from train.data.synthetic.worlds.world import World


@follow_up("current_time", when=lambda m: m.is_again("time", "time_in", "date"), weight=6)
def time_elsewhere(sample: Sampler, world: World, memory: Memory) -> Script:
    place, seen = city(sample, world.now)
    corrected = memory.slot("city") and sample.chance(0.25)
    yield Question(
        sample.question("corrected", v=place) if corrected else sample.question("time_elsewhere", city=place)
    )
    turns = yield Step(
        f"The time again, in {place}: I will look at the clock there with {{tool}}.",
        (ToolCall("current_time", {"timezone": place}, seen),),
    )
    if turns[0].error:
        raise ValueError(place)
    weekday, date, time = clock_parts(turns[0])
    return Outcome(
        f"In {place} it is {time} on {weekday} {date}.",
        (TIME_PATTERN,),
        thought=f"The clock says {weekday} {date} {time}.",
        memory=Memory(Again("time_in", {"city": place}), day=date, weekday=weekday),
    )


@follow_up("add_days", when=lambda m: m.day and m.is_again("add_days"), weight=3)
def step_from_day(sample: Sampler, world: World, memory: Memory) -> Script:
    """A span after or before the day that resulted."""
    text, days, why = span(sample)
    later = sample.chance(0.6)
    yield Question(sample.question("step_later" if later else "step_earlier", span=text))
    because = f"from {memory.day}, {why}" + ("" if later else ", earlier means minus")
    return (yield from shift(memory.day, days if later else -days, because))


@follow_up("add_days", when=lambda m: m.is_again("add_days") and m.slot("date"), weight=2)
def other_span(sample: Sampler, world: World, memory: Memory) -> Script:
    """Another span from the date that the question before was about."""
    text, days, why = span(sample)
    later = sample.chance(0.5)
    start = memory.slot("date")
    yield Question(sample.question("other_span_after" if later else "other_span_before", span=text))
    because = f"the same date {start}, {why}" + ("" if later else ", before means minus")
    return (yield from shift(start, days if later else -days, because, relative=start == "today"))


@follow_up(when=lambda m: m.day and m.weekday and m.is_again("add_days"), weight=1)
def weekday_of_day(sample: Sampler, world: World, memory: Memory) -> Script:
    """The weekday stands in the last observation: nothing is called."""
    yield Question(sample.question("weekday_of_that"))
    return Outcome(
        f"That is a {memory.weekday}.",
        (memory.weekday,),
        thought=f"I saw it already: {memory.day} is a {memory.weekday}.",
    )


@follow_up("days_between", when=lambda m: m.day and m.is_again("add_days"), weight=3)
def days_until_day(sample: Sampler, world: World, memory: Memory) -> Script:
    if memory.day < world.now.date().isoformat():
        yield Question(sample.question("that_days_ago"))
        return (
            yield from days_from_to(
                memory.day, "today", f"that day is {memory.day}", relative=True, say="It was {days} ago."
            )
        )
    yield Question(sample.question("that_days_until"))
    return (
        yield from days_from_to(
            "today", memory.day, f"that day is {memory.day}", relative=True, say="It is {days}."
        )
    )


@follow_up("days_between", when=lambda m: m.is_again("days_between"), weight=6)
def other_end(sample: Sampler, world: World, memory: Memory) -> Script:
    """The days to another date, or after a correction."""
    start = memory.slot("start")
    with fixed_clock(world.now):
        first = parse_date(start)
    date = sample.format_date(first + timedelta(days=sample.rng.randint(2, 900)))
    section, slots = ("other_end", {"date": date})
    if sample.chance(0.35):
        section, slots = ("corrected", {"v": date})
    yield Question(sample.question(section, **slots))
    because = f"from {start} again, to {date}"
    return (yield from days_from_to(start, date, because, relative=start == "today"))
