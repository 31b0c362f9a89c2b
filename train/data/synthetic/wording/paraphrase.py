"""Paraphrases that keep the meaning of a phrasing: a synonym, a filler word left out, a typing error.

They apply to training data only; the held-out questions remain as they were written.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_SYNONYMS = (
    ("show me", "give me", "let me see"),
    ("what is", "what's", "whats", "tell me"),
    ("can you", "could you", "would you", "will you", "can u"),
    ("i want to", "i'd like to", "i would like to", "i need to", "i have to"),
    ("i need", "i want", "i'd like"),
    ("calculate", "compute", "work out", "figure out", "determine"),
    ("file", "document"),
    ("folder", "directory", "dir"),
    ("list the", "show the", "display the", "print the"),
    ("list all", "show all", "display all", "name all"),
    ("find", "locate"),
    ("contains", "includes", "holds"),
    ("remember that", "keep in mind that", "don't forget that", "remember"),
    ("a note", "a memo", "a quick note"),
    ("my notes", "my memos", "the notes"),
    ("from now", "from this moment"),
    ("by now", "by this time"),
    ("up to now", "until now"),
    ("right now", "at the moment", "currently", "now"),
    ("modified", "changed", "edited", "updated", "touched"),
    ("please", "pls", "kindly"),
    ("convert", "turn"),
    ("contents", "content", "text"),
    ("look up", "check", "find out"),
    ("thanks", "thank you", "cheers"),
    ("read", "open", "view"),
    ("write", "put"),
    ("save", "store"),
    ("add up", "sum up", "total", "sum"),
    ("big", "large"),
    ("called", "named", "by the name of"),
    ("tell me", "let me know", "say"),
)
_ALTERNATIVES = {
    words: [other for other in group if other != words] for group in _SYNONYMS for words in group
}
_KEPT = frozenset(("turn", "check", "text", "put", "store", "view", "say", "remember"))
"""Words that replace others and are kept: they mean something else in turn off, text me, what does it say."""
_REPLACEABLE = re.compile(
    r"\b("
    + "|".join(
        sorted((re.escape(words) for words in _ALTERNATIVES if words not in _KEPT), key=len, reverse=True)
    )
    + r")\b",
    re.IGNORECASE,
)
_FILLER = re.compile(r"\b(?:please|the|a|me|my|for me|just|all)\b ?", re.IGNORECASE)
_SLOT = re.compile(r"\{[^}]*\}")
_WORD = re.compile(r"\b[a-zA-Z]{5,}\b")


def paraphrase(phrasing: str, rng: random.Random) -> str:
    """Return `phrasing`, unchanged or with one change outside its slots."""
    roll = rng.random()
    if roll < 0.35:
        return _outside_slots(
            phrasing, _REPLACEABLE, lambda words: rng.choice(_ALTERNATIVES[words.lower()]), rng
        )
    if roll < 0.45:
        return _outside_slots(phrasing, _FILLER, lambda _: "", rng).strip() or phrasing
    if roll < 0.5:
        return _outside_slots(phrasing, _WORD, lambda word: _typo(word, rng), rng)
    return phrasing


def _outside_slots(
    phrasing: str, pattern: re.Pattern[str], change: Callable[[str], str], rng: random.Random
) -> str:
    """Return `phrasing` with one random match of `pattern` outside the slots changed."""
    slots = [slot.span() for slot in _SLOT.finditer(phrasing)]
    matches = [
        match
        for match in pattern.finditer(phrasing)
        if not any(start < match.end() and match.start() < end for start, end in slots)
    ]
    if not matches:
        return phrasing
    match = rng.choice(matches)
    return phrasing[: match.start()] + change(match.group()) + phrasing[match.end() :]


def _typo(word: str, rng: random.Random) -> str:
    """Return a word (at least three letters) with a letter missing, doubled, or exchanged with the next."""
    i = rng.randint(1, len(word) - 2)
    return rng.choice(
        (
            word[:i] + word[i + 1 :],
            word[:i] + word[i] + word[i:],
            word[:i] + word[i + 1] + word[i] + word[i + 2 :],
        )
    )
