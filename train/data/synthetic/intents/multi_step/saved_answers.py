"""Intents that save an answer as a note or in a file: a line that was searched for, a date."""

from __future__ import annotations

from agent.tools.lib.output import pluralize
from train.data.synthetic.actions import DATE_PATTERN, direction, join_reasons
from train.data.synthetic.intents.dates.calendar import span
from train.data.synthetic.intents.question_answering.statements import (
    save_line,
    search_line,
    statement_in,
    write_line,
)
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, planned, step
from train.data.synthetic.worlds.world import World


@intent("search_text", "add_note", topic="searching files", weight=2)
def found_then_note(sample: Sampler, world: World) -> Script:
    """What a file states is searched for, and saved as a note."""
    path, one = statement_in(sample, world)
    asked, value = one.ask(sample)
    yield Question(sample.question("found_then_note", q=asked))
    yield from planned(search_line(one.shared_word(asked), one.line), "save it as a note")
    return (yield from save_line(one.line, value, Memory(path=path)))


@intent("search_text", "write_file", topic="searching files", weight=1.6)
def found_then_written(sample: Sampler, world: World) -> Script:
    """What a file states is searched for, and written into another file."""
    _, one = statement_in(sample, world)
    (asked, value), target = one.ask(sample), sample.file_name()
    if target in world.documents:
        raise ValueError(target)
    yield Question(sample.question("found_then_written", q=asked, path=target))
    yield from planned(search_line(one.shared_word(asked), one.line), f"write it to {target}")
    return (yield from write_line(one.line, value, target))


@intent("add_days", "add_note", topic="dates", weight=0.8)
def date_then_note(sample: Sampler, world: World) -> Script:
    """A date so many days away, saved as a note."""
    text, days, why = span(sample)
    question = sample.question("date_then_note", span=text)
    yield Question(question)
    because = join_reasons(why, direction(question, days))
    seen = yield step(
        f"{because}: I will move today by {pluralize(days, 'day')} with {{tool}}, then save it as a note.",
        "add_days",
        date="today",
        days=days,
    )
    day, weekday = seen[0].content.split(" ")
    note = f"in {text}: {weekday} {day}"
    yield step(f"It is {day}, a {weekday}: I will save {note} with {{tool}}.", "add_note", text=note)
    return Outcome(
        f"That is {weekday} {day}. I saved it as a note.",
        (DATE_PATTERN,),
        thought=f"It is {day}, a {weekday}, and the note is saved.",
        memory=Memory(day=day, weekday=weekday),
    )
