"""Follow-ups to what a line of a file or a note states: another statement, the days to it, another unit."""

from __future__ import annotations

from agent.errors import ToolError
from agent.tools.lib.dates import parse_date
from train.data.synthetic.actions import change_units, days_from_to
from train.data.synthetic.intents.files.common import LONG
from train.data.synthetic.intents.question_answering.disambiguation import noted_of
from train.data.synthetic.intents.question_answering.statements import answer_stated
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Question, Script, follow_up, step
from train.data.synthetic.worlds.amounts import QUANTITIES
from train.data.synthetic.worlds.stated import Stated
from train.data.synthetic.worlds.world import World

NOTED = "Your note says: "


def _is_in_file(memory: Memory) -> bool:
    return memory.is_again("stated") and bool(memory.path)


def _found(world: World, memory: Memory) -> tuple[Stated, str]:
    """Return the statement of the file that was spoken of that has the last answer, and this answer."""
    value = memory.slot("value")
    having = [
        one
        for one in world.documents[memory.path].stated
        if value and value in (answer for answer, _ in one.questions)
    ]
    if len(having) != 1:
        raise ValueError(value)
    return having[0], value


@follow_up("read_file", when=_is_in_file, weight=9)
def other_stated(sample: Sampler, world: World, memory: Memory) -> Script:
    """Something else that the same line says, which was seen, or another line, for which the file is read."""
    one, value = _found(world, memory)
    path = memory.path
    if world.documents[path].kind in LONG:
        raise ValueError(path)
    others = [other for other in world.documents[path].stated if other is not one]
    if others and sample.chance(0.6):
        one = sample.rng.choice(others)
    asked, answer = one.ask(sample)
    if answer == value:
        raise ValueError(answer)
    yield Question(sample.question("other_stated", q=asked))
    if one in others:
        seen = yield step(f"It stands in {path} too: I will read it with {{tool}}.", "read_file", path=path)
        if one.line not in seen[0].content:
            raise ValueError(path)
    return answer_stated(one.line, answer, path, path)


@follow_up("find_files", "read_file", when=_is_in_file, weight=30)
def stated_in_sibling(sample: Sampler, world: World, memory: Memory) -> Script:
    """The same of another file of a folder whose files say the same of different things."""
    one, value = _found(world, memory)
    at = next(at for at, (answer, _) in enumerate(one.questions) if answer == value)
    others = [file for file in (world.siblings.files if world.siblings else ()) if file[0] != memory.path]
    if world.siblings is None or len(others) == len(world.siblings.files):
        raise ValueError(memory.path)
    path, other = sample.rng.choice(others)
    name = other.slots["word"]
    yield Question(sample.question("read_sibling", name=name))
    why = f"{name} is not in {memory.path}, it is another file, the same thing again"
    seen = yield step(f"{why}: I will look for {name} with {{tool}}.", "find_files", name=name)
    if seen[0].content != path:
        raise ValueError(name)
    read = yield step(f"It is {path}: I will read it with {{tool}}.", "read_file", path=path)
    if read[0].content != other.line:
        raise ValueError(path)
    return answer_stated(other.line, other.questions[at][0], path, path)


@follow_up("search_notes", when=lambda m: m.is_again("stated") and m.answer.startswith(NOTED), weight=12)
def other_noted(sample: Sampler, world: World, memory: Memory) -> Script:
    """What another note states."""
    asked, value = sample.rng.choice(world.noted).ask(sample)
    one = next(one for one in world.noted if value in (answer for answer, _ in one.questions))
    if value == memory.slot("value"):
        raise ValueError(value)
    query = one.shared_word(asked)
    yield Question(sample.question("other_stated", q=asked))
    seen = yield step(
        f"It is noted too: I will search the notes for {query} with {{tool}}.", "search_notes", query=query
    )
    if one.line not in seen[0].content:
        raise ValueError(query)
    return answer_stated(one.line, value, NOTED.rstrip(": "), "")


@follow_up("days_between", when=_is_in_file, weight=24)
def days_to_stated_date(sample: Sampler, world: World, memory: Memory) -> Script:
    """The days from today to the date that was found, or since then."""
    one, value = _found(world, memory)
    if value not in one.dates:
        raise ValueError(value)
    try:
        day = parse_date(value)
    except ToolError as error:
        raise ValueError(value) from error
    because = f"that day is {value}"
    if day < world.now.date():
        yield Question(sample.question("that_days_ago"))
        return (yield from days_from_to(value, "today", because, relative=True, say="It was {days} ago."))
    yield Question(sample.question("that_days_until"))
    return (yield from days_from_to("today", value, because, relative=True, say="It is {days}."))


@follow_up("convert_units", when=lambda m: m.is_again("quantity") and m.unit, weight=25)
def quantity_in_unit(sample: Sampler, world: World, memory: Memory) -> Script:
    """The quantity that was found, in another unit."""
    unit = sample.rng.choice([name for name in QUANTITIES[memory.slot("key")] if name != memory.unit])
    yield Question(sample.question("other_unit", u=unit))
    because = f"the {memory.slot('key')} is {memory.number} {memory.unit}"
    return (yield from change_units(memory.number, memory.unit, unit, because))


@follow_up("search_notes", when=lambda m: m.is_again("shared"), weight=40)
def shared_of_other(sample: Sampler, world: World, memory: Memory) -> Script:
    """What the notes say of another person, sometimes as a correction."""
    if world.shared is None:
        raise ValueError(memory.answer)
    old = memory.slot("name")
    name, line, value = sample.rng.choice([one for one in world.shared.lines if one[0] != old])
    if sample.chance(0.25):
        yield Question(sample.question("corrected_from", v=name, old=old))
    else:
        yield Question(sample.question("other_person", name=name))
    return (yield from noted_of(name, line, value, f"The same for {name}"))
