"""Intents with one missing argument, which is asked for."""

from __future__ import annotations

from datetime import timedelta

from train.data.phrasings import QUESTIONS, names
from train.data.synthetic.actions import (
    change_units,
    days_from_to,
    look_at_clock,
    shift,
    work_out,
)
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS
from train.data.synthetic.intents.files.common import (
    any_path,
    found_files,
    query_in,
    search_answer,
    unique_stem,
)
from train.data.synthetic.intents.files.composing import written
from train.data.synthetic.intents.files.reading import read_or_find, short_path
from train.data.synthetic.intents.notes import look_up_notes, save_note
from train.data.synthetic.memory import Again
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import (
    Outcome,
    Question,
    Script,
    intent,
    step,
)
from train.data.synthetic.wording.refusal import spoken_back
from train.data.synthetic.worlds.world import World

ANSWERED = 0.75
"""Share of questions asked back that the person answers."""


def ask_for(missing: str, question: str) -> Outcome:
    """Return the outcome that asks for what is missing."""
    return Outcome(question, thought=f"{missing} is missing, so I ask for it.")


def asked(
    sample: Sampler, section: str, missing: str, back: tuple[str, ...], given: str, rest: Script, **slots: str
) -> Script:
    """Ask with something missing, be asked back, mostly give it, and go on with `rest`."""
    yield Question(sample.question(section, **slots))
    ask = ask_for(missing, sample.rng.choice(back))
    if not sample.chance(ANSWERED):
        return ask
    yield ask
    yield Question(given)
    return (yield from rest)


@intent("convert_units", topic="converting units", weight=3.4)
def missing_unit(sample: Sampler, world: World) -> Script:
    v, (u1, u2) = sample.number(2, 900), sample.units()
    given = sample.question("given_unit", u2=u2)
    back = (f"Into which unit shall I convert {v} {u1}?", "To which unit?")
    return asked(sample, "missing_unit", "The target unit", back, given, change_units(v, u1, u2), v=v, u1=u1)


@intent("convert_units", topic="converting units", weight=7)
def missing_units(sample: Sampler, world: World) -> Script:
    """A bare number: both units are missing."""
    v, (u1, u2) = sample.number(2, 900), sample.units()
    given = sample.question("given_units", u1=u1, u2=u2)
    back = (f"{v} of which unit, and into which unit?", f"Which unit is {v} in, and to which unit?")
    return asked(sample, "missing_units", "Each of the units", back, given, change_units(v, u1, u2), v=v)


@intent("days_between", topic="dates", weight=3)
def missing_dates(sample: Sampler, world: World) -> Script:
    start, end = (sample.format_date(sample.day()) for _ in range(2))
    given = sample.question("given_dates", date=start, date2=end)
    back = ("Between which two dates?", "Which dates do you mean?")
    return asked(sample, "missing_dates", "Each of the dates", back, given, days_from_to(start, end))


@intent("read_file", "find_files", topic="reading files", weight=5)
def missing_file(sample: Sampler, world: World) -> Script:
    path = short_path(sample, world)
    back = ("Which file do you mean?", "Which file shall I read?")
    given = sample.question("given_file", path=path)
    return asked(sample, "missing_file", "The name of the file", back, given, read_or_find(path))


@intent("add_note", topic="saving notes", weight=2.6)
def missing_note(sample: Sampler, world: World) -> Script:
    text = sample.phrase()
    back = ("What shall I note?", "What should the note say?")
    return asked(sample, "missing_note", "The text of the note", back, text, save_note(text))


@intent("calculate", topic="arithmetic", weight=2.2)
def missing_base(sample: Sampler, world: World) -> Script:
    p, n = sample.percent(), sample.number(20, 900)
    back = (f"{p}% of which number?", "Of which number?")
    rest = work_out(f"{p}% * {n}", "That is {r}.", again=Again("percent_of", {"p": p, "n": n}))
    given = sample.question("given_number", n=n)
    return asked(sample, "missing_base", "The number", back, given, rest, p=p)


@intent("calculate", topic="arithmetic", weight=2.2)
def missing_numbers(sample: Sampler, world: World) -> Script:
    a, b = sample.number(2, 900), sample.number(2, 900)
    back = ("Which numbers?", "Which numbers shall I add?")
    given = sample.question("given_numbers", a=a, b=b)
    return asked(sample, "missing_numbers", "Each of the numbers", back, given, work_out(f"{a} + {b}"))


@intent("days_between", topic="dates", weight=2.2)
def missing_date(sample: Sampler, world: World) -> Script:
    """The date of an event that only the person knows."""
    event = sample.pick(QUESTIONS["events"], HELD_OUT_PHRASINGS)
    date = sample.format_date(world.now.date() + timedelta(days=sample.rng.randint(2, 500)))
    back = (f"When is {spoken_back(event)}?", f"On which date is {spoken_back(event)}?")
    rest = days_from_to("today", date, relative=True, say="It is {days}.")
    given = sample.question("given_date", date=date)
    return asked(sample, "missing_date", "The date", back, given, rest, event=event)


@intent("add_days", topic="dates", weight=1)
def missing_days(sample: Sampler, world: World) -> Script:
    date, days = sample.date(), sample.integer(2, 90)
    back = ("By how many days?", "How many days later?")
    given = sample.question("given_days", n=days)
    return asked(sample, "missing_days", "The number of days", back, given, shift(date, int(days)), date=date)


@intent("current_time", topic="the time", weight=2.6)
def missing_city(sample: Sampler, world: World) -> Script:
    place = sample.pick([spoken for spoken, _ in names.CITIES])
    back = ("In which city?", "Which city do you mean?")
    given = sample.question("given_city", city=place)
    return asked(sample, "missing_city", "The city", back, given, look_at_clock(place))


@intent("search_text", topic="searching files", weight=7)
def missing_query(sample: Sampler, world: World) -> Script:
    query = query_in(sample, world, any_path(sample, world))

    def rest() -> Script:
        turns = yield step(f"I will search the files for {query} with {{tool}}.", "search_text", query=query)
        return search_answer(turns[0], query)

    back = ("Which words shall I search for?", "What shall I search for?")
    given = sample.question("given_query", q=query)
    return asked(sample, "missing_query", "The text to search for", back, given, rest())


@intent("find_files", topic="finding files", weight=2.6)
def missing_name(sample: Sampler, world: World) -> Script:
    name = unique_stem(any_path(sample, world))

    def rest() -> Script:
        turns = yield step(f"I will look for {name} with {{tool}}.", "find_files", name=name)
        return found_files(turns[0].content, name)

    back = ("What is the file called?", "Which part of its name do you remember?")
    given = sample.question("given_name", name=name)
    return asked(sample, "missing_name", "The name", back, given, rest())


@intent("search_notes", topic="finding notes", weight=0.8)
def missing_topic(sample: Sampler, world: World) -> Script:
    query = sample.rng.choice(world.note_words)
    back = ("What is the note about?", "Which note do you mean?")
    given = sample.question("given_query", q=query)
    return asked(sample, "missing_topic", "A word of the note", back, given, look_up_notes(query))


@intent("write_file", topic="writing files", weight=2.2)
def missing_content(sample: Sampler, world: World) -> Script:
    path, content = sample.value(sample.file_name), sample.phrase()

    def rest() -> Script:
        turns = yield step(f"I will write {path} with {{tool}}.", "write_file", path=path, content=content)
        if turns[0].error:
            raise ValueError(path)
        return written(turns[0], path, content)

    back = (f"What shall I write to {path}?", f"What should {path} say?")
    return asked(sample, "missing_content", "The text", back, content, rest(), path=path)
