"""Follow-ups that repeat a request with one other value: a day of the month, a row or column, a word."""

from __future__ import annotations

from datetime import date

from agent.tools.lib.dates import WEEKDAYS, fixed_clock, parse_date
from train.data.synthetic.actions import change_units, days_from_to, shift
from train.data.synthetic.intents.files.composing import written
from train.data.synthetic.intents.question_answering.tables import cell_answer
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, follow_up, step
from train.data.synthetic.wording.spelling import number_words, ordinal
from train.data.synthetic.worlds.world import World


def _other_day(sample: Sampler, world: World, text: str) -> date:
    """Return another day of the month of a date. Raise ValueError for a relative one."""
    if text in ("today", "tomorrow", "yesterday"):
        raise ValueError(text)
    with fixed_clock(world.now):
        day = parse_date(text)
    number = sample.rng.choice([number for number in range(1, 29) if number != day.day])
    return day.replace(day=number)


@follow_up("add_days", when=lambda m: m.is_again("add_days") and m.slot("kind") == "weekday", weight=25)
def weekday_of_other_day(sample: Sampler, world: World, memory: Memory) -> Script:
    """Another day of the same month, where a weekday was asked for."""
    day = _other_day(sample, world, memory.day)
    said = ordinal(day.day)
    yield Question(sample.question("other_day", nth=said))
    because = f"the {said} of the same month is {day.isoformat()}, 0 days tell the weekday"
    return (
        yield from shift(day.isoformat(), 0, because, say="{day} is a {weekday}.", slots={"kind": "weekday"})
    )


@follow_up("days_between", when=lambda m: m.is_again("days_between") and m.slot("end"), weight=5)
def days_to_other_day(sample: Sampler, world: World, memory: Memory) -> Script:
    """The count of days to another day of the same month."""
    day, start = _other_day(sample, world, memory.slot("end")), memory.slot("start")
    said = ordinal(day.day)
    yield Question(sample.question("other_day", nth=said))
    because = f"from {start} again, the {said} of the same month is {day.isoformat()}"
    return (yield from days_from_to(start, day.isoformat(), because, relative=start == "today"))


@follow_up("read_file", when=lambda m: m.is_again("cell"), weight=26)
def other_cell(sample: Sampler, world: World, memory: Memory) -> Script:
    """The same column of another row, or another column of the same row; the table was read already."""
    table = world.documents[memory.path].table
    if table is None:
        raise ValueError(memory.path)
    column, row = memory.slot("column"), next(row for row in table.rows if row[0] == memory.slot("row"))
    if sample.chance(0.6):
        row = sample.rng.choice([other for other in table.rows if other != row])
        yield Question(sample.question("other_row", row=row[0]))
    else:
        column = sample.rng.choice([other for other in table.header[1:] if other != column])
        yield Question(sample.question("other_column", col=column))
    return cell_answer(table, row, column, memory.path)


@follow_up(
    when=lambda m: m.path and m.is_again("stated", "cell", "value_of", "search", "value_somewhere"),
    weight=2.5,
)
def which_file(sample: Sampler, world: World, memory: Memory) -> Script:
    """The file of the last answer: nothing is called."""
    yield Question(sample.question("which_file"))
    return Outcome(
        f"That is in {memory.path}.", (memory.path,), thought=f"I saw it already: it is in {memory.path}."
    )


def _like(sample: Sampler, word: str) -> str:
    """Return another word of the kind of `word`: a number, a number in words, a weekday, a month, a word."""
    if word.isdigit():
        return str(sample.rng.randint(2, 900))
    spelled = [number_words(number) for number in range(2, 13)]
    weekdays = [day.lower() for day in WEEKDAYS]
    for pool in (spelled, weekdays):
        if word.lower() in pool:
            new = sample.rng.choice([other for other in pool if other != word.lower()])
            return new.capitalize() if word[0].isupper() else new
    return sample.word()


@follow_up("write_file", when=lambda m: m.is_again("write") and m.text and m.path, weight=22)
def corrected_text(sample: Sampler, world: World, memory: Memory) -> Script:
    """A word of a file that was just written, corrected: the whole text is written again."""
    words = sorted({word for word in memory.text.split() if len(word) > 2 and word.isalnum()})
    old = sample.rng.choice([word for word in words if memory.text.count(word) == 1])
    new = _like(sample, old)
    if len(memory.text) > 120 or new in memory.text:
        raise ValueError(old)
    if sample.chance(0.25):
        yield Question(sample.question("corrected_from", v=new, old=old))
    else:
        yield Question(sample.question("corrected_text", new=new, old=old))
    text = memory.text.replace(old, new)
    said = "" if "\n" in text else f" it then says: {text} -"
    wrote = yield step(
        f"{new} in place of {old},{said} I will write the whole text to {memory.path} again with {{tool}}.",
        "write_file",
        path=memory.path,
        content=text,
    )
    return written(wrote[0], memory.path, text, f"I corrected {memory.path}.")


@follow_up(
    "convert_units",
    when=lambda m: m.is_again("convert") and m.slot("u1").lower() in ("celsius", "fahrenheit", "c", "f"),
    weight=40,
)
def below_zero(sample: Sampler, world: World, memory: Memory) -> Script:
    """The same conversion of a temperature below zero."""
    number = sample.rng.randint(2, 40)
    yield Question(sample.question("below_zero", v=number))
    because = f"the same with {number} below zero, that is -{number}"
    return (yield from change_units(f"-{number}", memory.slot("u1"), memory.slot("u2"), because))
