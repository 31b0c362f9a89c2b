"""Random questions and values; those of the test split are never drawn for training.

Whether a phrasing or a value belongs to the test split depends on its text (a checksum), not on the seed, so
that all training sets exclude the same ones.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cache

from agent.tools.lib.units import find_unit
from train.data.phrasings import FRAMING, QUESTIONS, names, normalize
from train.data.synthetic.wording.paraphrase import paraphrase
from train.data.synthetic.wording.spelling import ordinal

HELD_OUT_PHRASINGS = 6
"""One phrasing in so many belongs to the test split."""
HELD_OUT_VALUES = 8
"""One value in so many belongs to the test split."""

STORY_SHARE = 0.11
"""Share of first questions of a row with a sentence before them that asks nothing."""
CLOSING_SHARE = 0.1
"""Share of first questions with words after them that ask nothing."""
_STORIES = {
    "arithmetic": "arithmetic",
    "dates": "dates",
    "converting units": "units",
    "the time": "time",
    "the date": "time",
    "this computer": "computer",
    "saving notes": "notes",
    "finding notes": "notes",
    "writing files": "writing",
    **dict.fromkeys(
        (
            *("reading files", "searching files", "finding files", "listing files", "file sizes"),
            *("file dates", "counting lines", "counting files"),
        ),
        "files",
    ),
}
"""Topic of an intent -> the section of `framing.txt` with what people say before such requests."""
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
_ZONES = tuple(
    (timedelta(hours=hours), name)
    for hours, name in ((0, "UTC"), (0, "UTC"), (1, "CET"), (2, "CEST"), (-5, "EST"), (-8, "PST"), (1, "BST"))
)
_NAMES = ("path", "path2", "name")
_ARTICLES = ("the ", "my ", "our ")
"""Words that begin a description of a file, which is not put in quotation marks."""
_TEXTS = ("q", "content", "text")
"""Slots that people put in quotation marks."""
_TEXT_ENDS = ("{content}", "{text}", "{lines}")
"""Ends of phrasings after which another word would be taken for a part of the text."""
_EXISTING_WORDS = (*names.WORDS, *names.FIRST_NAMES)
_CONSONANTS = "bcdfghjklmnprstvwz"
_VOWELS = "aeiou"


def held_out(text: str, one_in: int) -> bool:
    """Return whether a text belongs to the test split; one of one or two characters never does."""
    normalized = text.strip().lower()
    return len(normalized) > 2 and zlib.crc32(normalized.encode()) % one_in == 0


@dataclass(frozen=True)
class WrittenDate:
    """A date as a person writes it, and as a call gives it."""

    text: str
    value: str
    why: str = ""
    """How `value` follows from `text`, where the tools do not read the text."""
    relative: bool = False
    """Whether the year is left out, so that the day depends on the current one."""


class Sampler:
    """A source of random questions and values: held-out ones for the split `test`, others for the rest."""

    def __init__(self, rng: random.Random, split: str) -> None:
        self.rng = rng
        self.is_test = split == "test"

    def chance(self, p: float) -> bool:
        """Return True with probability `p`."""
        return self.rng.random() < p

    def pick(self, pool: Sequence[str], one_in: int = HELD_OUT_VALUES) -> str:
        """Return a text of a pool, from the part of this split (or from all, if that is empty)."""
        own = [text for text in pool if held_out(text, one_in) == self.is_test]
        return self.rng.choice(own or list(pool))

    def value(self, make: Callable[[], str]) -> str:
        """Return the result of `make`, called again until it belongs to this split (at most 60 times)."""
        for _ in range(60):
            text = make()
            if held_out(text, HELD_OUT_VALUES) == self.is_test:
                return text
        return make()

    def question(self, intent: str, **slots: object) -> str:
        """Return a phrasing of an intent with its slots filled, varied as people vary what they type.

        Outside the test split it is sometimes paraphrased as well.
        """
        return self.phrased(QUESTIONS[intent], **slots)

    def phrased(self, phrasings: tuple[str, ...], **slots: object) -> str:
        """Return one of `phrasings` like `question`; slots that it lacks are ignored."""
        phrasing = self.pick(phrasings, HELD_OUT_PHRASINGS)
        text = self.vary(phrasing if self.is_test else paraphrase(phrasing, self.rng))
        if not self.is_test and normalize(text) in _held_out_phrasings(phrasings):
            text = phrasing
        return text.format(**{name: self._quoted(name, value, text) for name, value in slots.items()})

    def _quoted(self, name: str, value: object, text: str) -> object:
        """Return a name or text, sometimes in quotation marks where the phrasing has none around it."""
        rate = 0.4 if name in _NAMES and " " in str(value) else 0.15 if name in _TEXTS else 0.0
        if name in _NAMES and str(value).startswith(_ARTICLES):
            return value
        # What is asked of a file or note is a clause, which nobody quotes.
        rate = 0.02 if name == "q" and str(value).count(" ") > 1 else rate
        if not self.chance(rate) or any(f"{mark}{{{name}}}{mark}" in text for mark in "\"'"):
            return value
        mark = "'" if '"' in str(value) or ("'" not in str(value) and self.chance(0.5)) else '"'
        return f"{mark}{value}{mark}"

    def vary(self, text: str) -> str:
        """Return a text with another beginning, end, or case, as people type."""
        if self.chance(0.16):
            text = self.pick(FRAMING["opening"]) + text[:1].lower() + text[1:]
        if self.chance(0.1) and not text.endswith(_TEXT_ENDS):
            text = text.rstrip("?.!") + self.rng.choice(_CLOSERS)
        if self.chance(0.25):
            text = text.rstrip("?.!")
        elif self.chance(0.15) and text[-1:].isalnum():
            text += "?"
        text = text[:1].upper() + text[1:] if self.chance(0.4) else text[:1].lower() + text[1:]
        return _lower_outside_slots(text) if self.chance(0.15) else text

    def frame(self, text: str, topic: str) -> str:
        """Return a request with a sentence before it or words after it that ask nothing.

        `topic` is that of its intent. Nothing follows a request whose end may be a text to be saved.
        """
        roll, kind = self.rng.random(), _STORIES.get(topic, "")
        if roll < STORY_SHARE:
            own = FRAMING.get(f"story_{kind}", ())
            story = self.pick(own if own and self.chance(0.55) else FRAMING["story_any"])
            if self.chance(0.25):
                return f"{story.rstrip('.').lower()}, {text}"
            return f"{story} {text}"
        if roll < STORY_SHARE + CLOSING_SHARE and kind not in ("", "notes", "writing"):
            closing = self.pick(FRAMING["closing"])
            joint = "" if closing[0] in "?!.," else " "
            return f"{text.rstrip('?.! ')}{joint}{closing}"
        return text

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
        """Return a day in one of the forms that people write."""
        month = _MONTHS[day.month - 1]
        kind = self.rng.random()
        if kind < 0.38:
            return day.isoformat()
        if self.chance(0.35):
            month = month.lower()
        nth = ordinal(day.day)
        return self.rng.choice(
            (
                f"{month} {day.day} {day.year}",
                f"{day.day} {month} {day.year}",
                f"{month} {day.day}, {day.year}",
                f"{day.day} {month[:3]} {day.year}",
                f"{month[:3]} {day.day} {day.year}",
                f"{nth} of {month} {day.year}",
                f"the {nth} of {month} {day.year}",
                f"the {nth} of {month}, {day.year}",
                f"the {day.day} of {month} {day.year}",
                f"{month} {nth}, {day.year}",
                f"{month} the {nth}, {day.year}",
                f"{nth} {month} {day.year}",
            )
        )

    def date(self) -> str:
        """Return a random date in one of the forms that people write."""
        return self.value(lambda: self.format_date(self.day()))

    def write(self, day: date) -> WrittenDate:
        """Return a day as people write it, sometimes as 4.3.2026, or 14/03/2026 if 14 is no month."""
        if self.chance(0.75):
            text = self.format_date(day)
            return WrittenDate(text, text)
        dotted = (f"{day.day}.{day.month}.{day.year}", f"{day.day}.{day.month}.{day.year}", f"{day:%d.%m.%Y}")
        text = self.rng.choice(dotted if day.day < 13 else (*dotted, f"{day:%d/%m/%Y}"))
        return WrittenDate(text, day.isoformat(), f"{text} is {day.isoformat()}")

    def written_date(self, year: int) -> WrittenDate:
        """Return a date as people write it, with how a call gives it; `year` is the current one."""
        kind = self.rng.random()
        if kind < 0.5:
            text = self.date()
            return WrittenDate(text, text)
        day = self.day()
        if kind < 0.62:
            day = day.replace(day=self.rng.randint(13, 28))
            form = self.rng.choice(("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y"))
            text = f"{day:{form}}"
            return WrittenDate(text, day.isoformat(), f"{text} is {day.isoformat()}")
        if kind < 0.75:
            day = day.replace(day=self.rng.randint(1, 12), month=self.rng.randint(1, 12))
            text = self.rng.choice((f"{day.day}.{day.month}.{day.year}", f"{day:%d.%m.%Y}"))
            return WrittenDate(text, day.isoformat(), f"{text} is {day.isoformat()}")
        month = _MONTHS[day.month - 1]
        if kind < 0.85:
            text = self.rng.choice(
                (
                    f"{ordinal(day.day)} of {month} {day.year}",
                    f"the {ordinal(day.day)} of {month} {day.year}",
                    f"{month} {ordinal(day.day)}, {day.year}",
                    f"{month[:3].lower()} {ordinal(day.day)} {day.year}",
                )
            )
            return WrittenDate(text, text)
        text = self.rng.choice(
            (
                f"{day.day} {month}",
                f"{month} {day.day}",
                f"the {ordinal(day.day)} of {month}",
                f"{ordinal(day.day)} of {month.lower()}",
                f"{month[:3]} {day.day}",
            )
        )
        if (day.month, day.day) == (2, 29):
            text = "1 March"
        return WrittenDate(text, text, relative=True)

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


@cache
def _held_out_phrasings(phrasings: tuple[str, ...]) -> frozenset[str]:
    """Return those of the phrasings that are held out; no variation of another one may equal them."""
    return frozenset(normalize(text) for text in phrasings if held_out(text, HELD_OUT_PHRASINGS))


def _lower_outside_slots(text: str) -> str:
    parts = text.split("{")
    return parts[0].lower() + "".join(
        "{" + slot + "}" + rest.lower() for slot, _, rest in (part.partition("}") for part in parts[1:])
    )


def other_units(pool: Iterable[str], *units: str) -> list[str]:
    """Return the units of `pool` that are none of `units`, by whichever name."""
    known = [find_unit(unit) for unit in units]
    return [unit for unit in pool if find_unit(unit) not in known]
