"""Intents over several files of one form: what each says, which has the most or the least, the difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from train.data.synthetic.holdout import HELD_OUT_PHRASINGS
from train.data.synthetic.intents.question_answering.statements import read_folder, reading
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Part, Question, Script, intent, step
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.series import NUMBERS, Series
from train.data.synthetic.worlds.world import World


def _series(world: World) -> Series:
    if world.series is None:
        raise ValueError("no such folder")
    return world.series


def _asked(sample: Sampler, series: Series, section: str, slot: str) -> str:
    """Return a question about a folder, with what is asked of each file."""
    asked = sample.pick(series.each[slot], HELD_OUT_PHRASINGS)
    many = f"{number_words(len(series.paths))} {series.many}" if sample.chance(0.35) else series.many
    return sample.question(section, q=asked, path=series.folder, many=many)


def _each_read(series: Series, plan: str = "") -> Part[None]:
    """List the folder and read each file. Raise ValueError if an earlier exchange changed the folder."""
    texts = yield from read_folder(series.folder, plan)
    stated = {path: row.line for path, row in zip(series.paths, series.rows, strict=True)}
    if texts != {path: stated[path] for path in sorted(stated)}:
        raise ValueError(series.folder)


def _told(series: Series, slot: str) -> str:
    """Return what each file says in a slot, in the order in which they are read."""
    told = sorted(zip(series.paths, series.stems, series.rows, strict=True))
    return " and ".join(f"{stem} {row.slots[slot]}" for _, stem, row in told)


@intent("list_files", "read_file", topic="reading files", weight=5)
def each_of_series(sample: Sampler, world: World) -> Script:
    """What each of the few files of a folder says."""
    series = _series(world)
    slot = sample.rng.choice(list(series.each))
    yield Question(_asked(sample, series, "each_of_series", slot))
    yield from _each_read(series)
    lines = {path: row.line for path, row in zip(series.paths, series.rows, strict=True)}
    said = "\n".join(f"{PurePosixPath(path).name} says: {lines[path]}" for path in sorted(lines))
    return Outcome(
        said,
        tuple(row.slots[slot] for row in series.rows),
        thought=f"I have read all of them: {_told(series, slot)}.",
        memory=Memory(paths=tuple(sorted(series.paths))),
    )


@intent("list_files", "read_file", "calculate", topic="reading files", weight=2)
def best_of_series(sample: Sampler, world: World) -> Script:
    """Which of the few files of a folder gives the most or the least, or how much lies between the two."""
    series = _series(world)
    slot = sample.rng.choice([slot for slot in series.each if slot in NUMBERS])
    values = {stem: row.slots[slot] for stem, row in zip(series.stems, series.rows, strict=True)}
    least, most = min(values, key=lambda s: float(values[s])), max(values, key=lambda s: float(values[s]))
    if float(values[least]) == float(values[most]):
        raise ValueError(slot)
    kind = sample.rng.choice(("least", "most", "between") if len(values) == 2 else ("least", "most"))
    yield Question(_asked(sample, series, f"{kind}_of_series", slot))
    plan = (
        "work out the difference"
        if kind == "between"
        else f"take the {'lowest' if kind == 'least' else 'highest'}"
    )
    yield from _each_read(series, plan)
    listed = ", ".join(values[stem] for stem in sorted(values, key=str.lower))
    called = {
        "between": f"{values[most]} - {values[least]}",
        "least": f"min({listed})",
        "most": f"max({listed})",
    }[kind]
    told = _told(series, slot)
    seen = yield step(f"{told}: I will work out {called} with {{tool}}.", "calculate", expression=called)
    result = seen[0].content
    if kind == "between":
        return Outcome(
            f"It is {told}; the difference is {result}.",
            (result,),
            thought=f"The difference is {result}.",
            memory=Memory(number=result),
        )
    best = least if kind == "least" else most
    return Outcome(
        f"It is {best} with {values[best]}.",
        (best, values[best]),
        thought=f"{values[best]} belongs to {best}.",
        memory=Memory(number=result),
    )


def _twins(sample: Sampler, world: World) -> tuple[str, str]:
    """Return the paths of two files that give the same things. Raise ValueError if there are none."""
    if not world.twins:
        raise ValueError("no such files")
    first, second = sample.rng.sample(world.twins, 2)
    return first, second


@intent("read_file", topic="reading files", weight=4)
def value_of_both(sample: Sampler, world: World) -> Script:
    """The same value of two files that give the same things."""
    first, second = _twins(sample, world)
    documents = world.documents[first], world.documents[second]
    if not documents[0].facts:
        raise ValueError(first)
    at = sample.rng.randrange(len(documents[0].facts))
    (key, a), (_, b) = (document.facts[at] for document in documents)
    yield Question(sample.question("value_of_both", key=key, path=first, path2=second))
    seen = yield reading((first, second))
    if any(turn.error for turn in seen) or a not in seen[0].content or b not in seen[1].content:
        raise ValueError(first)
    return Outcome(
        f"For {key}, {first} says {a} and {second} says {b}.",
        (a, b),
        thought=f"{key} is {a} in {first} and {b} in {second}.",
        memory=Memory(paths=(first, second)),
    )


@intent("read_file", "calculate", topic="reading files", weight=2.2)
def more_of_both(sample: Sampler, world: World) -> Script:
    """Which of two files gives more or less for the same thing, the difference, or both together."""
    first, second = _twins(sample, world)
    documents = world.documents[first], world.documents[second]
    if documents[0].kind != "prices":
        raise ValueError(first)
    at = sample.rng.randrange(len(documents[0].facts))
    (key, a), (_, b) = (document.facts[at] for document in documents)
    kind = sample.rng.choice(("more", "less", "difference", "together"))
    low, high = sorted((a, b), key=float)
    if low == high:
        raise ValueError(key)
    expression, plan = {
        "more": (f"max({a}, {b})", "compare the two"),
        "less": (f"min({a}, {b})", "compare the two"),
        "difference": (f"{high} - {low}", "work out the difference"),
        "together": (f"{a} + {b}", "add the two"),
    }[kind]
    yield Question(sample.question(f"{kind}_of_both", key=key, path=first, path2=second))
    seen = yield reading((first, second), plan)
    if any(turn.error for turn in seen) or a not in seen[0].content or b not in seen[1].content:
        raise ValueError(first)
    lead = f"{key} is {a} in {first} and {b} in {second}"
    seen = yield step(
        f"{lead}: I will work out {expression} with {{tool}}.", "calculate", expression=expression
    )
    result = seen[0].content
    outcome = Outcome(
        f"{lead[0].upper()}{lead[1:]}; that is {result}.",
        (result,),
        thought=f"The result is {result}.",
        memory=Memory(number=result),
    )
    if kind in ("difference", "together"):
        return outcome
    path = first if float(result) == float(a) else second
    return replace(
        outcome,
        answer=f"It is {path} with {result}.",
        expects=(path, result),
        thought=f"{result} is in {path}.",
    )
