"""Folders of small files of one form, one a thing: offers, contracts, tenants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from train.data.phrasings import SERIES, names
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.worlds.documents import Document
from train.data.synthetic.worlds.stated import Stated, fill_slots

_THINGS = (
    *("water", "heating", "phone", "insurance", "parking", "internet", "garage", "cellar", "alarm", "power"),
    *("piano", "chess", "pottery", "yoga", "dance", "violin", "sewing", "cooking", "swimming", "drums"),
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NUMBERS = ("price", "price2", "n", "n2")
"""The slots whose values are numbers."""


@dataclass(frozen=True)
class Series:
    """A folder, what one of its files and what all of them are called, and the files with what they state."""

    folder: str
    one: str
    many: str
    stems: tuple[str, ...]
    paths: tuple[str, ...]
    rows: tuple[Stated, ...]
    asked: Mapping[str, tuple[str, ...]]
    """Questions about one of the files, by slot."""
    each: Mapping[str, tuple[str, ...]]
    """Questions about all of the files, by slot."""


def draw_series(sample: Sampler) -> Series:
    """Return a folder of two or three files; its name is that of what they are."""
    heading = sample.rng.choice(list(SERIES))
    folder, one, many, kind, template = heading.split(" | ")
    asked: dict[str, tuple[str, ...]] = {}
    each: dict[str, tuple[str, ...]] = {}
    for line in SERIES[heading]:
        slot, _, questions = line.partition(": ")
        into, name = (each, slot.removeprefix("each ")) if slot.startswith("each ") else (asked, slot)
        into[name] = tuple(questions.split(" / "))
    stems = _stems(sample, kind, sample.rng.choice((2, 2, 2, 3)))
    ending = sample.rng.choice(("txt", "txt", "md"))
    rows = tuple(_row(sample, template, stem, asked) for stem in stems)
    paths = tuple(f"{folder}/{stem.lower()}.{ending}" for stem in stems)
    return Series(folder, one, many, stems, paths, rows, asked, each)


def _stems(sample: Sampler, kind: str, count: int) -> tuple[str, ...]:
    pools = {
        "thing": _THINGS,
        "weekday": _WEEKDAYS,
        "person": [name for name in names.FIRST_NAMES if name.isascii()],
        "city": [city for city, _ in names.CITIES if city.isascii() and city.isalpha()],
        "word": [word for word in names.WORDS if word.isalpha() and word.islower() and len(word) > 3],
    }
    stems = sample.rng.sample(list(pools[kind]), count)
    low = [stem.lower() for stem in stems]
    if any(a != b and a in b for a in low for b in low) or len(set(low)) < count:
        return _stems(sample, kind, count)
    return tuple(stem.capitalize() if kind in ("person", "city") else stem for stem in stems)


def _row(sample: Sampler, template: str, stem: str, asked: Mapping[str, tuple[str, ...]]) -> Stated:
    """Return the line of one file with its questions, which name it."""
    slots = fill_slots(sample, template.replace("{stem}", "").replace("{Stem}", ""))
    slots |= {"stem": stem, "Stem": stem.capitalize()}
    dates = tuple(value for slot, value in slots.items() if slot == "date")
    questions = tuple((slots[slot], texts) for slot, texts in asked.items())
    return Stated(template.format(**slots), stem, questions, dates, slots)


def documents_of(series: Series) -> dict[str, Document]:
    """Return the files of a series."""
    return {
        path: Document("statements", f"{row.line}\n", stated=(row,))
        for path, row in zip(series.paths, series.rows, strict=True)
    }
