"""Random questions and values, split so that nothing a test asks was drawn for training.

A phrasing or a value belongs to the test split by its own text (a checksum), not by a run's random state:
every training run, whatever its seed, leaves the same ones out.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cache

from train.data.phrasings import QUESTIONS, names, plain
from train.data.synthetic.reword import reword

HELD_PHRASINGS = 6  # one phrasing in so many is never trained on
HELD_VALUES = 8

_OPENERS = (
    "hey, ",
    "hi, ",
    "please ",
    "can you tell me ",
    "quick question: ",
    "ok, ",
    "umi, ",
    "so, ",
    "um, ",
)
_CLOSERS = (" please", " thanks", ", please", " pls", "?", " for me", " right now", ", thank you", " :)")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_REAL = (*names.WORDS, *names.FIRST_NAMES)
_CONSONANTS = "bcdfghjklmnprstvwz"
_VOWELS = "aeiou"


def held_out(text: str, one_in: int) -> bool:
    """Whether a phrasing or value is kept for tests; what has one or two characters never is."""
    plain = text.strip().lower()
    return len(plain) > 2 and zlib.crc32(plain.encode()) % one_in == 0


class Draw:
    """A source of random questions and values: the held-out ones for the split `test`, else the others."""

    def __init__(self, rng: random.Random, split: str) -> None:
        self.rng = rng
        self.held = split == "test"

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return self.rng.random() < p

    def pick(self, pool: Sequence[str], one_in: int = HELD_VALUES) -> str:
        """One text of a pool, from this split's share of it."""
        mine = [text for text in pool if held_out(text, one_in) == self.held]
        return self.rng.choice(mine or list(pool))

    def value(self, make: Callable[[], str]) -> str:
        """What `make` returns, drawn again until it belongs to this split."""
        for _ in range(60):
            text = make()
            if held_out(text, HELD_VALUES) == self.held:
                return text
        return make()

    def question(self, intent: str, **slots: object) -> str:
        """A phrasing of an intent with its slots filled, and the small changes people make as they type.

        In training it is also reworded now and then.
        """
        phrasing = self.pick(QUESTIONS[intent], HELD_PHRASINGS)
        typed = self._as_typed(phrasing if self.held else reword(phrasing, self.rng))
        if not self.held and plain(typed) in _held_phrasings(intent):
            typed = phrasing
        return typed.format(**slots)

    def _as_typed(self, text: str) -> str:
        if self.chance(0.12):
            text = self.rng.choice(_OPENERS) + text[:1].lower() + text[1:]
        if self.chance(0.08):
            bare = text.rstrip("?.!")
            text = bare + self.rng.choice(_CLOSERS)
        if self.chance(0.25):
            text = text.rstrip("?.!")
        elif self.chance(0.15) and text[-1:].isalnum():
            text += "?"
        text = text[:1].upper() + text[1:] if self.chance(0.4) else text[:1].lower() + text[1:]
        return _lower_outside_slots(text) if self.chance(0.15) else text

    def integer(self, low: int = 2, high: int = 999) -> str:
        """A whole number, small ones more often."""
        top = self.rng.choice([n for n in (12, 100, 1000, 10000) if n > low] + [high])
        return self.value(lambda: str(self.rng.randint(low, max(low, min(high, top)))))

    def number(self, low: int = 2, high: int = 999) -> str:
        """A number as people write it: whole, with a half, or with cents."""
        whole = self.integer(low, high)
        kind = self.rng.random()
        if kind < 0.7:
            return whole
        return self.value(
            lambda: f"{whole}.{self.rng.choice('5125') if kind < 0.85 else self.rng.randint(10, 99)}"
        )

    def percent(self) -> str:
        """A percentage."""
        common = ("5", "10", "15", "20", "25", "30", "50", "7.5", "12.5", "17.5", "19", "8", "3", "2.5")
        if self.chance(0.5):
            return self.value(lambda: self.rng.choice(common))
        return self.value(lambda: str(self.rng.randint(1, 99)) + self.rng.choice(("", "", "", ".5", ".2")))

    def pseudo_word(self) -> str:
        """A word that does not exist, so that it can only be copied."""
        if self.chance(0.4):
            size = self.rng.randint(2, 3)
            word = "".join(self.rng.choice(_CONSONANTS) + self.rng.choice(_VOWELS) for _ in range(size))
            word += self.rng.choice(_CONSONANTS) if self.chance(0.5) else ""
        else:
            first, second = (self.rng.choice(_REAL) for _ in range(2))
            word = (first[: self.rng.randint(1, 4)] + second[-self.rng.randint(2, 5) :]).lower()
        return word.capitalize() if self.chance(0.2) else word

    def word(self) -> str:
        """A word, existing or not."""
        if self.chance(0.4):
            return self.value(self.pseudo_word)
        return self.pick(names.WORDS)

    def person(self) -> str:
        """A first name, sometimes with a made-up surname."""
        first = self.rng.choice(names.FIRST_NAMES)
        return f"{first} {self.pseudo_word().capitalize()}" if self.chance(0.4) else first

    def stem(self) -> str:
        """A file's name without its ending."""
        kind = self.rng.random()
        if kind < 0.5:
            return self.pick(names.FILE_STEMS)
        if kind < 0.7:
            return self.value(lambda: self.rng.choice(names.WORDS) + self.rng.choice("_-") + self.word())
        if kind < 0.8:
            return self.value(lambda: self.word() + str(self.rng.randint(1, 2030)))
        return self.word()

    def file_name(self) -> str:
        """A file's name."""
        common = self.chance(0.6)
        return f"{self.stem()}.{self.rng.choice(('txt', 'md') if common else names.EXTENSIONS)}"

    def phrase(self) -> str:
        """A short text worth noting, some of it made of random words."""
        if self.chance(0.5):
            return self.pick(names.NOTES)
        kind = self.rng.randrange(4)
        made = (
            lambda: " ".join(self.word() for _ in range(self.rng.randint(1, 5))),
            lambda: f"the {self.word()} code is {self.rng.randint(100, 99999)}",
            lambda: (
                f"{self.rng.choice(('call', 'meet', 'pay', 'ask'))} {self.person()} about the {self.word()}"
            ),
            lambda: f"buy {self.rng.randint(2, 12)} {self.word()} and {self.word()}",
        )[kind]
        return self.value(made)

    def line(self) -> str:
        """A line of a text file."""
        return self.pick(names.FILE_LINES) if self.chance(0.6) else self.phrase()

    def day(self) -> date:
        """A day of this or a nearby decade."""
        return date(1995, 1, 1) + timedelta(days=self.rng.randrange(16000))

    def spoken(self, day: date) -> str:
        """A day as people write it."""
        month = _MONTHS[day.month - 1]
        kind = self.rng.random()
        if kind < 0.5:
            return day.isoformat()
        if kind < 0.65:
            return f"{month} {day.day} {day.year}"
        if kind < 0.8:
            return f"{day.day} {month} {day.year}"
        if kind < 0.9:
            return f"{month} {day.day}, {day.year}"
        return f"{day.day} {month[:3].lower()} {day.year}"

    def date(self) -> str:
        """A date as people write it, kept or held out by its text."""
        return self.value(lambda: self.spoken(self.day()))

    def units(self) -> tuple[str, str]:
        """Two different units of one dimension."""
        pool = names.UNITS[self.rng.choice([d for d in names.UNITS if d != "temperature"])]
        first, second = self.rng.sample(list(pool), 2)
        return first, second

    def expression(self) -> str:
        """An arithmetic expression of two to four numbers."""

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


@cache
def _held_phrasings(intent: str) -> frozenset[str]:
    """The held-out phrasings of an intent, so that no change of another one arrives at them."""
    return frozenset(plain(text) for text in QUESTIONS[intent] if held_out(text, HELD_PHRASINGS))


def _lower_outside_slots(text: str) -> str:
    parts = text.split("{")
    return parts[0].lower() + "".join(
        "{" + slot + "}" + rest.lower() for slot, _, rest in (part.partition("}") for part in parts[1:])
    )
