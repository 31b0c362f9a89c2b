"""Intents that calculate with the amounts in a file: totals, averages, extremes, differences."""

from __future__ import annotations

from train.data.synthetic.intents.files.common import opened, spoken_path
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, step
from train.data.synthetic.worlds.world import World


def numbers_in(sample: Sampler, world: World) -> tuple[str, list[tuple[str, str]]]:
    """Return the path of a file of two to eight amounts, and the amounts by name."""
    paths = [
        path
        for path, document in world.documents.items()
        if document.kind in ("prices", "table", "numbers") and 2 <= len(document.facts) <= 8
    ]
    path = sample.rng.choice(paths)
    return path, list(world.documents[path].facts)


def worked_out(path: str, lead: str, expression: str, told: str, thought: str) -> Script:
    """Work out `expression` of values that were read of `path`; `told` and `thought` go before the result."""
    observations = yield step(
        f"{lead}: I will work out {expression} with {{tool}}.", "calculate", expression=expression
    )
    result = observations[0].content
    return Outcome(
        f"{told} {result}.",
        (result,),
        thought=f"{thought} {result}.",
        memory=Memory(number=result, path=path),
    )


def added_up(path: str, facts: list[tuple[str, str]], told: str = "The total is") -> Script:
    """Work out the total of amounts that were read of `path`; `told` goes before it in the answer."""
    values = [value for _, value in facts]
    lead = f"The amounts are {', '.join(values)}"
    return worked_out(path, lead, " + ".join(values), told, "The total is")


@intent("read_file", "find_files", "calculate", topic="reading files", weight=2.6)
def total_of(sample: Sampler, world: World) -> Script:
    path, facts = numbers_in(sample, world)
    said = spoken_path(sample, path)
    yield Question(sample.question("total_of", path=said))
    yield from opened(world, said, path)
    return (yield from added_up(path, facts, f"The total of {path} is"))


@intent("read_file", "find_files", "calculate", topic="reading files", weight=0.7)
def average_of(sample: Sampler, world: World) -> Script:
    path, facts = numbers_in(sample, world)
    said = spoken_path(sample, path)
    yield Question(sample.question("average_of", path=said))
    yield from opened(world, said, path)
    expression = f"({' + '.join(value for _, value in facts)}) / {len(facts)}"
    lead = f"There are {len(facts)} amounts"
    return (yield from worked_out(path, lead, expression, f"The average in {path} is", "The average is"))


@intent("read_file", "find_files", "calculate", topic="reading files", weight=1)
def extreme_of(sample: Sampler, world: World) -> Script:
    """The largest or smallest amount: the calculator compares, the thought finds whose it is."""
    path, facts = numbers_in(sample, world)
    most = sample.chance(0.6)
    said = spoken_path(sample, path)
    yield Question(sample.question("largest_in" if most else "smallest_in", path=said))
    yield from opened(world, said, path)
    expression = f"{'max' if most else 'min'}({', '.join(value for _, value in facts)})"
    observations = yield step(
        f"I will work out {expression} with {{tool}}.", "calculate", expression=expression
    )
    result = observations[0].content
    named = [(name, value) for name, value in facts if float(value) == float(result)]
    if len(named) != 1:
        raise ValueError(result)
    name, value = named[0]
    return Outcome(
        f"It is {name} with {value}.",
        (name, value),
        thought=f"{value} belongs to {name}.",
        memory=Memory(Again("value_of", {"key": name, "path": path}), number=value, path=path),
    )


@intent("read_file", "find_files", "calculate", topic="reading files", weight=0.9)
def two_values(sample: Sampler, world: World) -> Script:
    """The sum of two amounts of a file, or the difference."""
    path, facts = numbers_in(sample, world)
    (first, a), (second, b) = sample.rng.sample(facts, 2)
    together = sample.chance(0.5)
    if not together and float(a) < float(b):
        (first, a), (second, b) = (second, b), (first, a)
    said = spoken_path(sample, path)
    kind = "sum_in" if together else "difference_in"
    yield Question(sample.question(kind, key=first, key2=second, path=said))
    yield from opened(world, said, path)
    expression = f"{a} {'+' if together else '-'} {b}"
    lead = f"{first} is {a} and {second} is {b}"
    told = f"{lead}; {'together' if together else 'the difference is'}"
    return (yield from worked_out(path, lead, expression, told, "The result is"))
