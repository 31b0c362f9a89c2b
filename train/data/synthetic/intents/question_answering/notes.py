"""Intents whose answer is in a note that the first search does not find, and notes with facts in them."""

from __future__ import annotations

import re

from agent.tools.lib.dates import WEEKDAYS
from train.data.phrasings import names
from train.data.synthetic.intents.notes import save_note
from train.data.synthetic.intents.question_answering.statements import answer_stated
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Question, Script, intent, step
from train.data.synthetic.worlds.stated import Stated, draw_stated
from train.data.synthetic.worlds.world import World

MAX_LISTED = 7
"""Maximum number of notes among which the right one is looked for."""
_EMPTY_WORDS = frozenset(
    (
        *("what", "which", "when", "where", "whom", "whose", "does", "have", "must", "with", "from"),
        *("that", "much", "many", "going", "please", "note", "notes", "number", "long", "need", "want"),
        *("they", "them", "there", "your", "mine", "this", "about", "into", "name", "could", "would"),
        *("should", "tell", "said", "says", "will", "been", "were", "take", "find"),
    )
)


def _other_word(one: Stated, asked: str, texts: list[str]) -> str:
    """Return the longest word of a question that no text has. Raise ValueError if there is none."""
    told = " ".join(texts).lower()
    words = [w for w in re.findall(r"[a-z]{4,}", asked.lower()) if w not in told and w not in _EMPTY_WORDS]
    if not words:
        raise ValueError(asked)
    return max(words, key=len)


@intent("search_notes", topic="finding notes", weight=3)
def stated_in_listed_notes(sample: Sampler, world: World) -> Script:
    """The word that is searched for is not in the note: all notes are listed, and one of them answers."""
    one = sample.rng.choice(world.noted)
    if len(world.notes) > MAX_LISTED:
        raise ValueError(one.line)
    asked, value = one.ask(sample)
    query = _other_word(one, asked, world.notes)
    yield Question(sample.question("stated_noted", q=asked))
    seen = yield step(
        f"It is noted: I will search the notes for {query} with {{tool}}.", "search_notes", query=query
    )
    if not seen[0].content.startswith("no note contains"):
        raise ValueError(query)
    listed = yield step(f"No note has {query}: I will list all notes with {{tool}}.", "search_notes")
    if one.line not in listed[0].content:
        raise ValueError(one.line)
    return answer_stated(one.line, value, "Your note says", "")


@intent("search_text", "search_notes", topic="finding notes", weight=1.3)
def noted_not_in_files(sample: Sampler, world: World) -> Script:
    """What is written down somewhere is in no file, but in a note."""
    one = sample.rng.choice(world.noted)
    asked, value = one.ask(sample)
    query = one.shared_word(asked)
    yield Question(sample.question("written_somewhere", q=asked))
    seen = yield step(f"I will search the files for {query} with {{tool}}.", "search_text", query=query)
    if not seen[0].content.startswith("no file contains"):
        raise ValueError(query)
    noted = yield step(
        f"No file has {query}: I will search the notes for {query} with {{tool}}.",
        "search_notes",
        query=query,
    )
    if one.line not in noted[0].content:
        raise ValueError(query)
    return answer_stated(one.line, value, "Your note says", "")


@intent("add_note", topic="saving notes", weight=3)
def stated_note_add(sample: Sampler, world: World) -> Script:
    """A note with names, dates or amounts in it, which are only text."""
    text = draw_stated(sample, 1)[0].line if sample.chance(0.35) else _clause(sample)
    yield Question(sample.question("note_add", text=text))
    return (yield from save_note(text))


def _clause(sample: Sampler) -> str:
    name, day, item = sample.person(), sample.format_date(sample.day()), sample.rng.choice(names.ITEMS)
    event, n, price = sample.rng.choice(names.EVENTS), sample.integer(2, 90), sample.price(900)
    weekday, time = (
        sample.rng.choice(WEEKDAYS),
        f"{sample.rng.randint(6, 22)}:{sample.rng.randint(10, 59)}",
    )
    return sample.rng.choice(
        (
            f"{name}'s birthday is on {day}",
            f"{name} was born on {day}",
            f"the {event} is on {day}",
            f"the {event} starts at {time}",
            f"{name} arrives on {weekday} at {time}",
            f"{name} owes me {price}",
            f"I lent {name} {price} on {day}",
            f"the {item} cost {price}",
            f"we have {n} {item} left",
            f"{n} percent off {item} until {weekday}",
            f"{name} is {n} years old",
            f"{name} lives at number {n}",
            f"{event} moved to {weekday}",
            f"the {item} is for {name}",
            f"days left for the {event}: {n}",
            f"{name} called about the {event}",
            f"{weekday} {time} {event} with {name}",
            f"call {name} before {day}",
            f"read the file on the {event}",
            f"search for a new {item}",
            f"convert the old {item} list",
            f"time in {name}'s town is {n} minutes ahead",
        )
    )
