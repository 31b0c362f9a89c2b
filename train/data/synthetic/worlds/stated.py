"""Lines of files and notes that state something, with questions about it in words of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.tools.lib.dates import WEEKDAYS
from train.data.phrasings import FACTS, ROWS, names
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.wording.spelling import ordinal

_SLOT = re.compile(r"\{(\w+)\}")
_SHIFTS = ("mornings", "afternoons", "evenings", "nights", "weekends", "all day", "half days")


@dataclass(frozen=True)
class Stated:
    """A line, a word of it to search for, and its questions by the value that answers them."""

    line: str
    word: str
    questions: tuple[tuple[str, tuple[str, ...]], ...]
    dates: tuple[str, ...] = ()
    """The values that are dates."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """Values of the line that its questions may name."""

    def ask(self, sample: Sampler) -> tuple[str, str]:
        """Return a question without its mark, and the value that answers it."""
        value, asked = sample.rng.choice(self.questions)
        return self.pick(sample, asked), value

    def pick(self, sample: Sampler, asked: tuple[str, ...]) -> str:
        """Return one of some questions, with the values that it names."""
        return sample.pick(asked, HELD_OUT_PHRASINGS).format(**self.slots)

    def shared_word(self, question: str) -> str:
        """Return the longest word of a question that the line has. Raise ValueError if there is none."""
        line = self.line.lower()
        shared = [word for word in re.findall(r"[a-z]{4,}", question.lower()) if word in line]
        if not shared:
            raise ValueError(question)
        return max(shared, key=len)


def draw_stated(sample: Sampler, count: int) -> tuple[Stated, ...]:
    """Return `count` different statements with random values."""
    return tuple(filled(sample, heading) for heading in sample.rng.sample(list(FACTS), count))


def draw_rows(sample: Sampler, count: int) -> tuple[Stated, ...]:
    """Return `count` statements of one form with different values; their questions name the row."""
    return repeated(sample, sample.rng.choice(list(ROWS)), ROWS, count)


def repeated(
    sample: Sampler, heading: str, source: Mapping[str, tuple[str, ...]], count: int
) -> tuple[Stated, ...]:
    """Return up to `count` statements of one heading of `source`, told apart by what their questions name."""
    rows: list[Stated] = []
    taken: set[str] = set()
    for _ in range(8 * count):
        row = filled(sample, heading, source)
        values = {value.lower() for value in row.slots.values()}
        if len(rows) < count and taken.isdisjoint(values):
            rows.append(row)
            named = {name for _, asked in row.questions for one in asked for name in _SLOT.findall(one)}
            taken.update(row.slots[name].lower() for name in named)
    return tuple(rows)


def filled(sample: Sampler, heading: str, source: Mapping[str, tuple[str, ...]] = FACTS) -> Stated:
    """Return a heading of `source`, `line | word`, with random values in the places of both."""
    template, _, word = heading.partition(" | ")
    values = fill_slots(sample, template)
    asked = []
    for line in source[heading]:
        slot, _, questions = line.partition(": ")
        asked.append((values[slot], tuple(questions.split(" / "))))
    dates = tuple(value for slot, value in values.items() if slot == "date")
    return Stated(template.format(**values), word.format(**values), tuple(asked), dates, values)


def fill_slots(sample: Sampler, template: str) -> dict[str, str]:
    """Return a random value for each slot of a line, all different."""
    values: dict[str, str] = {}
    for slot in _SLOT.findall(template):
        value = slot_value(sample, slot)
        while value in values.values():
            value = slot_value(sample, slot)
        values[slot] = value
    return values


def slot_value(sample: Sampler, slot: str) -> str:
    """Return a random value for a place in a line, of the kind that its name says."""
    number = sample.rng.randint
    match slot.rstrip("2"):
        case "time":
            return f"{number(6, 22):02d}:{number(0, 11) * 5:02d}"
        case "n":
            return sample.integer(2, 900)
        case "few":
            return sample.integer(2, 60)
        case "name":
            return sample.person()
        case "price":
            return sample.price(900)
        case "date":
            return sample.format_date(sample.day())
        case "city":
            return sample.pick([spoken for spoken, _ in names.CITIES])
        case "weekday":
            return sample.rng.choice(WEEKDAYS)
        case "nth":
            return ordinal(number(1, 28))
        case "duty":
            return sample.rng.choice(names.DUTIES)
        case "item":
            return sample.rng.choice(names.ITEMS)
        case "event":
            return sample.rng.choice(names.EVENTS)
        case "shift":
            return sample.rng.choice(_SHIFTS)
        case "code":
            return sample.value(lambda: _code(sample))
    return sample.word()


def _code(sample: Sampler) -> str:
    number = sample.rng.randint
    letters = "".join(sample.rng.choice("ABCDEFGHKLMNPQRSTVWXZ") for _ in range(2))
    return sample.rng.choice(
        (
            f"{letters}-{number(1000, 99999)}",
            f"{letters}{number(10, 999)}",
            f"{number(1000, 9999)}",
            f"{number(100, 999)}-{number(100, 999)}",
            f"{sample.pseudo_word()}{number(10, 99)}",
        )
    )
