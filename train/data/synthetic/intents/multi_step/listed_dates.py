"""Intents over the dates of a list of events: days between two, days to one, a date before or after one."""

from __future__ import annotations

from agent.tools.lib.dates import fixed_clock, parse_date
from train.data.synthetic.actions import DAYS_PATTERN, days_from_to, direction, join_reasons
from train.data.synthetic.intents.dates.calendar import span
from train.data.synthetic.intents.files.common import opened, spoken_path, words_in_name
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, planned, step
from train.data.synthetic.worlds.world import World


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
    return Outcome(outcome.answer, (DAYS_PATTERN,), thought=outcome.thought, memory=outcome.memory)


@intent("read_file", "find_files", "days_between", topic="dates", weight=3)
def days_to_sole(sample: Sampler, world: World) -> Script:
    """The days from today to the only date of a file, which the question does not name."""
    dated: list[tuple[str, str, str]] = []
    for path, document in world.documents.items():
        dates = [(one.line, date) for one in document.stated for date in one.dates]
        if document.kind == "dates":
            dates = [(document.line_of(*fact), fact[1]) for fact in document.facts]
        if len(dates) == 1:
            dated.append((path, *dates[0]))
    with fixed_clock(world.now):
        dated = [entry for entry in dated if parse_date(entry[2]) > world.now.date()]
    path, line, date = sample.rng.choice(dated)
    said, name = spoken_path(sample, path), words_in_name(path)
    section = "days_to_named" if sample.chance(0.25) else "days_to_sole"
    yield Question(sample.question(section, path=said, name=name))
    yield from planned(opened(world, said, path), "count the days from today")
    because = f"the line says: {line} - the date is {date}"
    return (yield from days_from_to("today", date, because, relative=True))


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
