"""Intents that calculate with or convert a value of a note or a file."""

from __future__ import annotations

from train.data.synthetic.actions import change_units, join_reasons, work_out
from train.data.synthetic.intents.files.common import any_path, opened, spoken_path
from train.data.synthetic.intents.multi_step.amounts import added_up, numbers_in, worked_out
from train.data.synthetic.intents.question_answering.tables import cell_values
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, planned, step
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.amounts import QUANTITIES
from train.data.synthetic.worlds.world import World

_EACH = ("m", "metres", "kg", "minutes", "euros", "cm", "litres", "grams", "pages", "dollars", "km", "hours")
"""In what each of several things is counted."""


def _people(sample: Sampler) -> tuple[str, int, str]:
    """Return a number of people as a question says it, its value, and that they are equal where in words."""
    count = sample.rng.randint(2, 12)
    words = number_words(count)
    return (words, count, f"{words} is {count}") if sample.chance(0.35) else (str(count), count, "")


def _noted(query: str) -> Script:
    """Search the notes, and raise ValueError if not exactly one note has the words."""
    seen = yield step(
        f"It is noted: I will search the notes for {query} with {{tool}}.", "search_notes", query=query
    )
    if seen[0].error or "\n" in seen[0].content or query not in seen[0].content:
        raise ValueError(query)
    return Outcome(seen[0].content.split(": ", 1)[1])


@intent("search_notes", "calculate", topic="finding notes", weight=3.2)
def note_times(sample: Sampler, world: World) -> Script:
    """A note gives how many things there are, the question what one of them is."""
    one = sample.rng.choice(world.counted)
    each, unit = sample.number(2, 90), sample.rng.choice(_EACH)
    slots = {"topic": one.topic, "one": one.one, "v": each, "u": unit}
    yield Question(sample.question("note_times", **slots))
    yield from planned(_noted(one.topic), f"multiply by {each}")
    because = f"the note says {one.number}, and each is {each} {unit}"
    return (yield from work_out(f"{one.number} * {each}", f"That is {{r}} {unit}.", because))


@intent("search_notes", "calculate", topic="finding notes", weight=2)
def note_shared(sample: Sampler, world: World) -> Script:
    """A note gives a number of things, which several people share."""
    one, (said, count, why) = sample.rng.choice(world.counted), _people(sample)
    yield Question(sample.question("note_shared", topic=one.topic, b=said))
    yield from planned(_noted(one.topic), f"divide by {count}")
    because = join_reasons(f"the note says {one.number}", why, f"shared by {count}")
    return (yield from work_out(f"{one.number} / {count}", "Each gets {r}.", because))


@intent("search_notes", "convert_units", topic="finding notes", weight=3.2)
def note_converted(sample: Sampler, world: World) -> Script:
    """A quantity that a note gives, in another unit."""
    thing, quantity = sample.rng.choice(world.measured)
    value, _, unit = quantity.partition(" ")
    other = sample.rng.choice([name for name in QUANTITIES[thing] if name != unit])
    yield Question(sample.question("note_converted", key=thing, u2=other))
    yield from planned(_noted(thing), f"convert it to {other}")
    return (yield from change_units(value, unit, other, f"the note says {quantity}"))


@intent("read_file", "find_files", "calculate", topic="reading files", weight=1.4)
def file_times(sample: Sampler, world: World) -> Script:
    """A file gives how many things there are, the question what one of them is."""
    path = any_path(sample, world, "numbers")
    one = sample.rng.choice(world.documents[path].counted)
    each, unit, said = sample.number(2, 90), sample.rng.choice(_EACH), spoken_path(sample, path)
    slots = {"topic": one.topic, "one": one.one, "v": each, "u": unit}
    yield Question(sample.question("file_times", path=said, **slots))
    yield from planned(opened(world, said, path), f"multiply by {each}")
    lead = f"{one.topic} is {one.number}, and each is {each} {unit}"
    return (
        yield from worked_out(path, lead, f"{one.number} * {each}", f"In {unit} that makes", "The result is")
    )


@intent("read_file", "find_files", "calculate", topic="reading files", weight=3)
def total_shared(sample: Sampler, world: World) -> Script:
    """The total of a file, and then the part of each of several people."""
    path, facts = numbers_in(sample, world)
    (words, count, why), said = _people(sample), spoken_path(sample, path)
    yield Question(sample.question("total_shared", path=said, b=words))
    plan = f"add up the amounts and divide by {count}"
    yield from planned(opened(world, said, path), plan)
    first = yield from planned(added_up(path, facts), f"divide by {count}")
    total = first.expects[0]
    because = join_reasons(f"the total is {total}", why, f"shared by {count}")
    second = yield from work_out(f"{total} / {count}", f"The total is {total}, for each {{r}}.", because)
    return Outcome(
        second.answer,
        (total, *second.expects),
        thought=f"The total is {total}, and the part of each is {second.expects[0]}.",
        memory=Memory(number=second.expects[0], path=path),
    )


@intent("read_file", "find_files", "calculate", topic="reading files", weight=1.2)
def total_with_percent(sample: Sampler, world: World) -> Script:
    """The total of a file, and then a percentage on top."""
    path, facts = numbers_in(sample, world)
    p, said = sample.percent(), spoken_path(sample, path)
    yield Question(sample.question("total_with_percent", path=said, p=p))
    yield from planned(opened(world, said, path), f"add up the amounts and put {p}% on top")
    first = yield from planned(added_up(path, facts), f"put {p}% on top")
    total = first.expects[0]
    because = f"the total is {total}, and {p}% on top of it"
    return (
        yield from work_out(f"{total} + {p}% * {total}", f"The total is {total}, with {p}% {{r}}.", because)
    )


@intent("read_file", "find_files", "calculate", topic="reading files", weight=1.4)
def amount_times(sample: Sampler, world: World) -> Script:
    """One amount of a file, times a number, or a percentage of it."""
    path, facts = numbers_in(sample, world)
    key, value = sample.rng.choice(facts)
    said = spoken_path(sample, path)
    if sample.chance(0.6):
        words, count, why = _people(sample)
        yield Question(sample.question("amount_times", key=key, path=said, n=words))
        expression, because = f"{value} * {count}", join_reasons(f"{key} is {value}", why)
        plan = f"multiply by {count}"
    else:
        p = sample.percent()
        yield Question(sample.question("amount_percent", key=key, path=said, p=p))
        expression, because = f"{p}% * {value}", f"{key} is {value}"
        plan = f"work out {p}%"
    yield from planned(opened(world, said, path), plan)
    return (yield from worked_out(path, because, expression, "That is", "The result is"))


@intent("read_file", "find_files", "calculate", topic="reading files", weight=1.2)
def cell_times(sample: Sampler, world: World) -> Script:
    """One cell of a table, times a number."""
    path, row, column, value = cell_values(sample, world)
    (words, count, why), said = _people(sample), spoken_path(sample, path)
    yield Question(sample.question("cell_times", col=column, row=row, path=said, n=words))
    yield from planned(opened(world, said, path), f"multiply by {count}")
    because = join_reasons(f"the {column} of {row} is {value}", why)
    return (yield from worked_out(path, because, f"{value} * {count}", "That is", "The result is"))
