"""Random values of one split: numbers, words, names of files, dates, units, expressions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta, timezone

from agent.tools.lib.numbers.units import find_unit
from train.data.phrasings import names
from train.data.synthetic.holdout import SplitSampler
from train.data.synthetic.wording.dates import WrittenDate, format_date, write_date, write_uncommon_date

_ZONES = tuple(
    (timedelta(hours=hours), name)
    for hours, name in ((0, "UTC"), (0, "UTC"), (1, "CET"), (2, "CEST"), (-5, "EST"), (-8, "PST"), (1, "BST"))
)
_EXISTING_WORDS = (*names.WORDS, *names.FIRST_NAMES)
_CONSONANTS = "bcdfghjklmnprstvwz"
_VOWELS = "aeiou"


class ValueSampler(SplitSampler):
    """A source of random values, held-out ones for the split `test`, others for the rest."""

    def integer(self, low: int = 2, high: int = 999) -> str:
        """Return a whole number; small ones are more frequent."""
        top = self.rng.choice([n for n in (12, 100, 1000, 10000) if n > low] + [high])
        return self.value(lambda: str(self.rng.randint(low, max(low, min(high, top)))))

    def number(self, low: int = 2, high: int = 999) -> str:
        """Return a number: whole, with one decimal, or with two."""
        whole = self.integer(low, high)
        kind = self.rng.random()
        if kind < 0.7:
            return whole
        return self.value(
            lambda: f"{whole}.{self.rng.choice('5125') if kind < 0.85 else self.rng.randint(10, 99)}"
        )

    def percent(self) -> str:
        """Return a percentage."""
        common = ("5", "10", "15", "20", "25", "30", "50", "7.5", "12.5", "17.5", "19", "8", "3", "2.5")
        if self.chance(0.5):
            return self.value(lambda: self.rng.choice(common))
        return self.value(lambda: str(self.rng.randint(1, 99)) + self.rng.choice(("", "", "", ".5", ".2")))

    def pseudo_word(self) -> str:
        """Return a word that does not exist, so that a model has to copy it."""
        if self.chance(0.4):
            size = self.rng.randint(2, 3)
            word = "".join(self.rng.choice(_CONSONANTS) + self.rng.choice(_VOWELS) for _ in range(size))
            word += self.rng.choice(_CONSONANTS) if self.chance(0.5) else ""
        else:
            first, second = (self.rng.choice(_EXISTING_WORDS) for _ in range(2))
            word = (first[: self.rng.randint(1, 4)] + second[-self.rng.randint(2, 5) :]).lower()
        return word.capitalize() if self.chance(0.2) else word

    def word(self) -> str:
        """Return a word, existing or not."""
        if self.chance(0.4):
            return self.value(self.pseudo_word)
        return self.pick(names.WORDS)

    def person(self) -> str:
        """Return a first name, sometimes with a made-up surname."""
        first = self.rng.choice(names.FIRST_NAMES)
        return f"{first} {self.pseudo_word().capitalize()}" if self.chance(0.4) else first

    def stem(self) -> str:
        """Return a file name without its extension."""
        kind = self.rng.random()
        if kind < 0.5:
            return self.pick(names.FILE_STEMS)
        if kind < 0.7:
            return self.value(lambda: self.rng.choice(names.WORDS) + self.rng.choice("_- ") + self.word())
        if kind < 0.8:
            return self.value(lambda: self.word() + str(self.rng.randint(1, 2030)))
        return self.word()

    def file_name(self) -> str:
        """Return a file name, one in five with spaces, accents or another script."""
        common = self.chance(0.6)
        stem = self.pick(names.ODD_STEMS) if self.chance(0.16) else self.stem()
        return f"{stem}.{self.rng.choice(('txt', 'md') if common else names.EXTENSIONS)}"

    def folder(self) -> str:
        """Return the name of a folder."""
        return self.rng.choice(names.ODD_FOLDERS if self.chance(0.22) else names.FOLDERS)

    def price(self, top: int) -> str:
        """Return an amount of at most `top`, mostly with two decimals."""
        whole = self.integer(1, top)
        return self.value(lambda: whole if self.chance(0.3) else f"{whole}.{self.rng.randint(5, 99):02d}")

    def moment(self) -> datetime:
        """Return a moment from 2024 to 2029 in one of a few time zones."""
        zone = timezone(*self.rng.choice(_ZONES))
        return datetime(2024, 1, 1, tzinfo=zone) + timedelta(minutes=self.rng.randrange(3_000_000))

    def phrase(self) -> str:
        """Return a short text as in a note, sometimes made of random words."""
        if self.chance(0.5):
            return self.pick(names.NOTES)
        kind = self.rng.randrange(4)
        make_phrase = (
            lambda: " ".join(self.word() for _ in range(self.rng.randint(1, 5))),
            lambda: f"the {self.word()} code is {self.rng.randint(100, 99999)}",
            lambda: (
                f"{self.rng.choice(('call', 'meet', 'pay', 'ask'))} {self.person()} about the {self.word()}"
            ),
            lambda: f"buy {self.rng.randint(2, 12)} {self.word()} and {self.word()}",
        )[kind]
        return self.value(make_phrase)

    def line(self) -> str:
        """Return a line of a text file."""
        return self.pick(names.FILE_LINES) if self.chance(0.6) else self.phrase()

    def day(self) -> date:
        """Return a day from 1995 to 2038, one in eight from 1920 on."""
        if self.chance(0.12):
            return date(1920, 1, 1) + timedelta(days=self.rng.randrange(27000))
        return date(1995, 1, 1) + timedelta(days=self.rng.randrange(16000))

    def format_date(self, day: date) -> str:
        """Return a day in one of the forms that people write and the tools read."""
        return format_date(day, self.rng)

    def date(self) -> str:
        """Return a random date in one of the forms that people write."""
        return self.value(lambda: self.format_date(self.day()))

    def write(self, day: date) -> WrittenDate:
        """Return a day as people write it, sometimes as 4.3.2026, or 14/03/2026 if 14 is no month."""
        return write_date(day, self.rng)

    def written_date(self) -> WrittenDate:
        """Return a random date as people write it, with how a call gives it."""
        kind = self.rng.random()
        if kind < 0.5:
            text = self.date()
            return WrittenDate(text, text)
        return write_uncommon_date(self.day(), kind, self.rng)

    def units(self) -> tuple[str, str]:
        """Return two different units of one dimension."""
        return self.units_of(names.UNITS[self.rng.choice([d for d in names.UNITS if d != "temperature"])])

    def units_of(self, pool: Sequence[str]) -> tuple[str, str]:
        """Return two units of `pool` that are not one by two names."""
        first = self.rng.choice(pool)
        return first, self.rng.choice(other_units(pool, first))

    def expression(self) -> str:
        """Return an arithmetic expression of two or three numbers."""

        def make() -> str:
            op = self.rng.choice
            a, b, c = (self.number(2, 500) for _ in range(3))
            shapes = (
                f"{a} {op('+-*/')} {b}",
                f"{a} {op('+-*')} {b} {op('+-*')} {c}",
                f"({a} {op('+-')} {b}) {op('*/')} {c}",
                f"{a} {op('*/')} ({b} + {c})",
                f"{a}{op('+-*/')}{b}",
                f"{a}*{b}+{c}",
                f"({a}+{b})*{c}",
            )
            return op(shapes)

        return self.value(make)


def other_units(pool: Iterable[str], *units: str) -> list[str]:
    """Return the units of `pool` that are none of `units`, by whichever name."""
    known = [find_unit(unit) for unit in units]
    return [unit for unit in pool if find_unit(unit) not in known]
