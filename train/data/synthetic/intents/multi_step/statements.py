"""Intents that use what a line states: they count the days to it, multiply it, compare it or write it."""

from __future__ import annotations

from train.data.synthetic.actions import days_from_to, join_reasons, work_out
from train.data.synthetic.intents.files.common import opened, spoken_path
from train.data.synthetic.intents.files.composing import new_path
from train.data.synthetic.intents.multi_step.amounts import numbers_in
from train.data.synthetic.intents.question_answering.statements import coming, statement_in, write_line
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, planned, step
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.stated import Stated
from train.data.synthetic.worlds.world import World


def _asked(sample: Sampler, one: Stated, values: tuple[str, ...]) -> tuple[str, str]:
    """Return a question about one of some values of a line, and that value."""
    value, questions = sample.rng.choice([(v, asked) for v, asked in one.questions if v in values])
    return one.pick(sample, questions), value


@intent("read_file", "find_files", "days_between", topic="dates", weight=4)
def asked_days(sample: Sampler, world: World) -> Script:
    """When something is, and the days from today to that date."""
    candidates = [
        (path, one)
        for path, document in world.documents.items()
        for one in document.stated
        if any(value in coming(world, one) for value, _ in one.questions)
    ]
    path, one = sample.rng.choice(candidates)
    asked, date = _asked(sample, one, coming(world, one))
    said = spoken_path(sample, path)
    yield Question(sample.question("asked_days", q=asked, path=said))
    yield from planned(opened(world, said, path), "count the days from today")
    because = f"the line says: {one.line} - the date is {date}"
    counted = yield from days_from_to("today", date, because, relative=True)
    return Outcome(
        f"{path} says: {one.line}. {counted.answer}",
        counted.expects,
        thought=counted.thought,
        memory=counted.memory,
    )


@intent("read_file", "find_files", "calculate", topic="reading files", weight=3)
def asked_times(sample: Sampler, world: World) -> Script:
    """A number that a line states, and a multiple of it."""
    path, one = statement_in(sample, world)
    numbers = tuple(value for value, _ in one.questions if value.replace(".", "", 1).isdigit())
    asked, value = _asked(sample, one, numbers)
    count = sample.rng.randint(2, 12)
    words = number_words(count) if sample.chance(0.35) else str(count)
    why = "" if words == str(count) else f"{words} is {count}"
    said = spoken_path(sample, path)
    yield Question(sample.question("asked_times", q=asked, path=said, n=words))
    yield from planned(opened(world, said, path), f"multiply by {count}")
    because = join_reasons(f"the line says: {one.line} - asked for is {value}", why)
    return (
        yield from work_out(f"{value} * {count}", f"It is {value}, {words} times that is {{r}}.", because)
    )


@intent("read_file", "find_files", "write_file", topic="reading files", weight=2.5)
def asked_then_written(sample: Sampler, world: World) -> Script:
    """The line that answers, written into another file."""
    path, one = statement_in(sample, world)
    asked, value = one.ask(sample)
    said, target = spoken_path(sample, path), new_path(sample, world)
    if target in world.documents:
        raise ValueError(target)
    yield Question(sample.question("asked_then_written", q=asked, path=said, path2=target))
    yield from planned(opened(world, said, path), f"write it to {target}")
    return (yield from write_line(one.line, value, target))


@intent("read_file", "find_files", "calculate", topic="reading files", weight=2)
def compared_amounts(sample: Sampler, world: World) -> Script:
    """Which of two amounts of a file is the larger, or the smaller."""
    path, facts = numbers_in(sample, world)
    (first, a), (second, b) = sample.rng.sample(facts, 2)
    if float(a) == float(b):
        raise ValueError(a)
    most = sample.chance(0.6)
    said = spoken_path(sample, path)
    section = "larger_of_two" if most else "smaller_of_two"
    yield Question(sample.question(section, key=first, key2=second, path=said))
    yield from planned(opened(world, said, path), "compare the two")
    expression = f"{'max' if most else 'min'}({a}, {b})"
    seen = yield step(
        f"{first} is {a} and {second} is {b}: I will work out {expression} with {{tool}}.",
        "calculate",
        expression=expression,
    )
    name = first if float(seen[0].content) == float(a) else second
    return Outcome(
        f"It is {name}: {first} is {a}, {second} is {b}.",
        (name, a, b),
        thought=f"{seen[0].content} belongs to {name}.",
        memory=Memory(path=path),
    )
