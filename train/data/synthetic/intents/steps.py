"""Intents of several steps: a value of a file or note, then a sum, a conversion or a date that needs it."""

from __future__ import annotations

from agent.tools.lib.dates import fixed_clock, parse_date
from train.data.synthetic.actions import change_units, direction, join_reasons, work_out
from train.data.synthetic.intents.calendar import span
from train.data.synthetic.intents.files.amounts import numbers_in, worked_out
from train.data.synthetic.intents.files.columns import cell_values
from train.data.synthetic.intents.files.common import any_path, spoken_path
from train.data.synthetic.intents.files.contents import opened
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, give_up, intent, planned, step
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
    values = [value for _, value in facts]
    lead = f"The amounts are {', '.join(values)}"
    added = worked_out(path, lead, " + ".join(values), "The total is", "The total is")
    first = yield from planned(added, f"divide by {count}")
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
    values = [value for _, value in facts]
    lead = f"The amounts are {', '.join(values)}"
    added = worked_out(path, lead, " + ".join(values), "The total is", "The total is")
    first = yield from planned(added, f"put {p}% on top")
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


def _dated(sample: Sampler, world: World, least: int = 1) -> tuple[str, list[tuple[str, str]]]:
    """Return the path of a list of at least so many events, and all of them with their dates in order."""
    paths = [
        path
        for path, document in world.documents.items()
        if document.kind == "dates" and len(document.facts) >= least
    ]
    path = sample.rng.choice(paths)
    return path, list(world.documents[path].facts)


@intent("read_file", "find_files", "days_between", topic="dates", weight=4)
def days_between_listed(sample: Sampler, world: World) -> Script:
    """The days between two events of a list."""
    path, facts = _dated(sample, world, 2)
    at = sorted(sample.rng.sample(range(len(facts)), 2))
    (first, start), (second, end) = (facts[place] for place in at)
    said = spoken_path(sample, path)
    yield Question(sample.question("days_between_listed", key=first, key2=second, path=said))
    yield from planned(opened(world, said, path), "count the days between the two")
    seen = yield step(
        f"{first} is {start} and {second} is {end}: I will count the days with {{tool}}.",
        "days_between",
        start=start,
        end=end,
    )
    return _counted(seen[0].content, path)


def _counted(days: str, path: str) -> Outcome:
    """Return the answer that gives a number of days."""
    number = days.split(" ")[0]
    memory = Memory(number=number, unit="days", path=path)
    return Outcome(f"It is {days}.", (number,), thought=f"It is {days}.", memory=memory)


@intent("read_file", "find_files", "days_between", topic="dates", weight=3)
def days_to_listed(sample: Sampler, world: World) -> Script:
    """The days from today to an event of a list."""
    path, facts = _dated(sample, world)
    with fixed_clock(world.now):
        coming = [(key, date) for key, date in facts if parse_date(date) > world.now.date()]
    key, date = sample.rng.choice(coming)
    said = spoken_path(sample, path)
    yield Question(sample.question("days_to_stated", key=key, path=said))
    yield from planned(opened(world, said, path), "count the days from today")
    seen = yield step(
        f"{key} is {date}: I will count the days from today to {date} with {{tool}}.",
        "days_between",
        start="today",
        end=date,
    )
    days = seen[0].content
    outcome = _counted(days, path)
    return Outcome(outcome.answer, (r"re:-?\d+(?= days?)",), thought=outcome.thought, memory=outcome.memory)


@intent("read_file", "find_files", "add_days", topic="dates", weight=2)
def listed_shifted(sample: Sampler, world: World) -> Script:
    """The date a span before or after an event of a list, or its weekday."""
    path, facts = _dated(sample, world)
    key, date = sample.rng.choice(facts)
    said, roll = spoken_path(sample, path), sample.rng.random()
    text, days, why = span(sample)
    if roll < 0.25:
        days, plan = 0, "tell the weekday"
        yield Question(sample.question("listed_weekday", key=key, path=said))
        because = f"{key} is {date}, 0 days tell the weekday"
    else:
        days = -days if roll < 0.65 else days
        plan = f"go {text} {'back' if days < 0 else 'on'}"
        question = sample.question(
            "listed_before" if days < 0 else "listed_after", key=key, span=text, path=said
        )
        yield Question(question)
        because = join_reasons(f"{key} is {date}", why, direction(question, days))
    yield from planned(opened(world, said, path), plan)
    unit = "day" if abs(days) == 1 else "days"
    seen = yield step(
        f"{because}: I will move {date} by {days} {unit} with {{tool}}.", "add_days", date=date, days=days
    )
    day, weekday = seen[0].content.split(" ")
    return Outcome(
        f"That is {weekday} {day}.",
        (day,),
        thought=f"It is {day}, a {weekday}.",
        memory=Memory(day=day, weekday=weekday, path=path),
    )


@intent("search_text", "add_note", topic="searching files", weight=2)
def found_then_note(sample: Sampler, world: World) -> Script:
    """What a file states is searched for, and saved as a note."""
    path = any_path(sample, world, "statements")
    one = sample.rng.choice(world.documents[path].stated)
    asked, value = one.ask(sample)
    yield Question(sample.question("found_then_note", q=asked))
    yield from planned(_found(one.shared_word(asked), one.line), "save it as a note")
    seen = yield step(f"The line says: {one.line} - I will save it with {{tool}}.", "add_note", text=one.line)
    return Outcome(
        f"{one.line}. I saved it as note {seen[0].content.split(' ')[-1]}.",
        (value,),
        thought=f"It is {value}, and the note is saved.",
        memory=Memory(path=path),
    )


@intent("search_text", "write_file", topic="searching files", weight=1.6)
def found_then_written(sample: Sampler, world: World) -> Script:
    """What a file states is searched for, and written into another file."""
    path = any_path(sample, world, "statements")
    one = sample.rng.choice(world.documents[path].stated)
    (asked, value), target = one.ask(sample), sample.file_name()
    if target in world.documents:
        raise ValueError(target)
    yield Question(sample.question("found_then_written", q=asked, path=target))
    yield from planned(_found(one.shared_word(asked), one.line), f"write it to {target}")
    wrote = yield step(
        f"The line says: {one.line} - I will write it to {target} with {{tool}}.",
        "write_file",
        path=target,
        content=one.line,
    )
    if wrote[0].error:
        return give_up(wrote[0], f"{target} was not written: {wrote[0].content}.")
    return Outcome(
        f"{one.line}. I wrote it to {target}.",
        (value, target),
        thought=f"It is {value}, and {target} is written.",
        memory=Memory(path=target),
    )


def _found(query: str, line: str) -> Script:
    """Search the files, and raise ValueError if not exactly one of at most three hits has the line."""
    seen = yield step(
        f"It must stand in a file: I will search the files for {query} with {{tool}}.",
        "search_text",
        query=query,
    )
    hits = seen[0].content.split("\n")
    if len(hits) > 3 or sum(line in hit for hit in hits) != 1:
        raise ValueError(query)
    return Outcome(query)


@intent("add_days", "add_note", topic="dates", weight=0.8)
def date_then_note(sample: Sampler, world: World) -> Script:
    """A date so many days away, saved as a note."""
    text, days, why = span(sample)
    question = sample.question("date_then_note", span=text)
    yield Question(question)
    because = join_reasons(why, direction(question, days))
    seen = yield step(
        f"{because}: first I will move today by {days} {'day' if days == 1 else 'days'} with {{tool}}.",
        "add_days",
        date="today",
        days=days,
    )
    day, weekday = seen[0].content.split(" ")
    note = f"in {text}: {weekday} {day}"
    yield step(f"Now I will save {note} with {{tool}}.", "add_note", text=note)
    return Outcome(
        f"That is {weekday} {day}. I saved it as a note.",
        (r"re:\d{4}-\d\d-\d\d",),
        thought=f"It is {day}, a {weekday}, and the note is saved.",
        memory=Memory(day=day, weekday=weekday),
    )
