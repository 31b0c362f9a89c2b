"""Intents that save an answer as a note or in a file: a line that was searched for, a date."""

from __future__ import annotations

from train.data.synthetic.actions import direction, join_reasons
from train.data.synthetic.intents.dates.calendar import span
from train.data.synthetic.intents.files.common import any_path
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, give_up, intent, planned, step
from train.data.synthetic.worlds.world import World


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
