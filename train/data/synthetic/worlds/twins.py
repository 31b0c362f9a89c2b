"""Look-alikes: files with the same keys and other values, and notes that say the same of several people."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.tools.lib.dates import WEEKDAYS
from train.data.phrasings import lines, names
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.worlds.documents import Document, setting
from train.data.synthetic.worlds.tables import with_other_numbers

TWINNED = ("settings", "prices", "people", "measures", "dates", "columns")
"""Kinds of documents that may have a twin."""


def twin_of(sample: Sampler, document: Document) -> Document:
    """Return a document with the same things named, each with another value of its kind."""
    if document.table:
        table = with_other_numbers(sample, document.table)
        return replace(document, text="".join(f"{line}\n" for line in table.lines), table=table)
    shown, facts = document.lines, []
    for key, value in document.facts:
        at = next(at for at, line in enumerate(shown) if key in line and value in line)
        new = _other_value(sample, document.kind, value)
        before, _, after = shown[at].rpartition(value)
        shown[at] = f"{before}{new}{after}"
        facts.append((key, new))
    return replace(document, text="".join(f"{line}\n" for line in shown), facts=tuple(facts))


def _other_value(sample: Sampler, kind: str, value: str) -> str:
    match kind:
        case "prices":
            return sample.price(900)
        case "people":
            return str(sample.rng.randint(10 ** (len(value) - 1), 10 ** len(value) - 1))
        case "measures":
            return f"{sample.number(2, 900)} {value.partition(' ')[2]}"
        case "dates":
            return sample.format_date(sample.day())
    return setting(sample)


@dataclass(frozen=True)
class Shared:
    """What notes say of several people: a question with the place {name}, and the line and value of each."""

    asked: tuple[str, ...]
    lines: tuple[tuple[str, str, str], ...]
    """The name, the line and the value of each."""


def draw_shared(sample: Sampler) -> Shared:
    """Return the same said of two or three people, each with another value."""
    heading = sample.rng.choice(lines("pools/said_of_people.txt"))
    line, _, questions = heading.partition(" | ")
    people = sample.rng.sample(list(names.FIRST_NAMES), sample.rng.choice((2, 2, 3)))
    values: list[str] = []
    for _ in people:
        values.append(_value(sample, line, values))
    said = tuple(
        (name, line.format(name=name, n=value, word=value, price=value, weekday=value), value)
        for name, value in zip(people, values, strict=True)
    )
    return Shared(tuple(questions.split(" / ")), said)


def _value(sample: Sampler, line: str, used: list[str]) -> str:
    while True:
        if "{weekday}" in line:
            value = sample.rng.choice(WEEKDAYS)
        elif "{price}" in line:
            value = sample.price(900)
        else:
            value = str(sample.rng.randint(2, 240)) if "{n}" in line else sample.word()
        if value not in used:
            return value
