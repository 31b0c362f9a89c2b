"""Follow-ups about the text of a file that was just read: what it states, its dates and quantities."""

from __future__ import annotations

from agent.errors import ToolError
from agent.tools.lib.dates import parse_date
from train.data.synthetic.actions import change_units, days_from_to, shift
from train.data.synthetic.intents.files.contents import value_answer
from train.data.synthetic.intents.question_answering.statements import answer_stated
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Question, Script, follow_up
from train.data.synthetic.worlds.amounts import QUANTITIES
from train.data.synthetic.worlds.world import World


def _was_read(memory: Memory) -> bool:
    return bool(memory.path and memory.text) and not memory.is_again("write")


@follow_up("read_file", when=_was_read, weight=40)
def stated_in_it(sample: Sampler, world: World, memory: Memory) -> Script:
    """What a line of the file states: the file was read, nothing is called."""
    one = sample.rng.choice(world.documents[memory.path].stated if memory.path in world.documents else ())
    asked, value = one.ask(sample)
    if one.line not in memory.text:
        raise ValueError(asked)
    yield Question(sample.question("stated_in_it", q=asked))
    if world.documents[memory.path].kind == "config":
        return value_answer(one.word, value, one.line, memory.path)
    return answer_stated(one.line, value, memory.path, memory.path)


def _dated(sample: Sampler, world: World, memory: Memory) -> tuple[str, str, bool]:
    """Return what has a date in the file that was read, the date, and whether it is the only one there.

    Raise ValueError if nothing has a date.
    """
    if memory.path not in world.documents:
        raise ValueError(memory.path)
    document = world.documents[memory.path]
    dated = [(one.word, date) for one in document.stated for date in one.dates if one.line in memory.text]
    if document.kind == "dates":
        dated += [fact for fact in document.facts if fact[0] in memory.text]
    if not dated:
        raise ValueError(memory.path)
    return *sample.rng.choice(dated), len(dated) == 1


@follow_up("days_between", when=_was_read, weight=60)
def days_to_date_seen(sample: Sampler, world: World, memory: Memory) -> Script:
    """The days from today to a date that the file gives, or since then."""
    event, date, alone = _dated(sample, world, memory)
    try:
        day = parse_date(date)
    except ToolError as error:
        raise ValueError(date) from error
    because = f"the {event} in {memory.path} is on {date}"
    # The only date of a file needs no name.
    section = "seen_days" if not alone or sample.chance(0.5) else "that_days"
    if day < world.now.date():
        yield Question(sample.question(f"{section}_ago", key=event))
        return (yield from days_from_to(date, "today", because, relative=True, say="It was {days} ago."))
    yield Question(sample.question(f"{section}_until", key=event))
    return (yield from days_from_to("today", date, because, relative=True, say="It is {days}."))


@follow_up("add_days", when=_was_read, weight=12)
def weekday_of_date_seen(sample: Sampler, world: World, memory: Memory) -> Script:
    """The weekday of a date that the file gives."""
    event, date, alone = _dated(sample, world, memory)
    by_name = not alone or sample.chance(0.5)
    yield Question(sample.question("seen_weekday" if by_name else "weekday_of_that", key=event))
    because = f"the {event} in {memory.path} is on {date}, 0 days tell the weekday"
    return (yield from shift(date, 0, because, say="That is a {weekday}.", slots={"kind": "weekday"}))


@follow_up("convert_units", when=_was_read, weight=25)
def quantity_seen_in_unit(sample: Sampler, world: World, memory: Memory) -> Script:
    """A quantity that the file gives, in another unit."""
    if memory.path not in world.documents or world.documents[memory.path].kind != "measures":
        raise ValueError(memory.path)
    key, given = sample.rng.choice(world.documents[memory.path].facts)
    value, _, unit = given.partition(" ")
    other = sample.rng.choice([name for name in QUANTITIES[key] if name != unit])
    yield Question(sample.question("seen_in_unit", key=key, u=other))
    return (yield from change_units(value, unit, other, f"the {key} is {given}"))
