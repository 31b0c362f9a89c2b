"""Small changes to a phrasing that leave what it asks for: other words for the same, a word less, a slip.

Only training draws go through this; the held-out questions stay as people wrote them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_SAME = (
    ("show me", "give me", "let me see"),
    ("what is", "what's", "whats", "tell me"),
    ("can you", "could you", "would you", "will you", "can u"),
    ("i want to", "i'd like to", "i would like to", "i need to", "i have to"),
    ("i need", "i want", "i'd like"),
    ("calculate", "compute", "work out", "figure out", "determine"),
    ("how many", "what number of"),
    ("file", "document"),
    ("folder", "directory", "dir"),
    ("list the", "show the", "display the", "print the"),
    ("list all", "show all", "display all", "name all"),
    ("find", "locate"),
    ("contains", "has", "includes", "holds"),
    ("remember that", "keep in mind that", "don't forget that", "remember"),
    ("a note", "a memo", "a quick note"),
    ("my notes", "my memos", "the notes"),
    ("right now", "at the moment", "currently", "now"),
    ("modified", "changed", "edited", "updated", "touched"),
    ("please", "pls", "kindly"),
    ("convert", "change", "turn"),
    ("contents", "content", "text"),
    ("look up", "check", "find out"),
    ("thanks", "thank you", "cheers"),
    ("read", "open", "view"),
    ("write", "put", "place"),
    ("save", "store"),
    ("add up", "sum up", "total", "sum"),
    ("big", "large"),
    ("called", "named", "by the name of"),
    ("tell me", "let me know", "say"),
)
_OTHERS = {words: [other for other in group if other != words] for group in _SAME for words in group}
_KNOWN = re.compile(
    r"\b(" + "|".join(sorted(map(re.escape, _OTHERS), key=len, reverse=True)) + r")\b", re.IGNORECASE
)
_FILLER = re.compile(r"\b(?:please|the|a|me|my|for me|just|all)\b ?", re.IGNORECASE)
_SLOT = re.compile(r"\{[^}]*\}")
_WORD = re.compile(r"\b[a-zA-Z]{5,}\b")


def reword(phrasing: str, rng: random.Random) -> str:
    """`phrasing` with its slots untouched and some of the words around them changed."""
    roll = rng.random()
    if roll < 0.35:
        return _outside_slots(phrasing, _KNOWN, lambda words: rng.choice(_OTHERS[words.lower()]), rng)
    if roll < 0.45:
        return _outside_slots(phrasing, _FILLER, lambda _: "", rng).strip() or phrasing
    if roll < 0.5:
        return _outside_slots(phrasing, _WORD, lambda word: _slip(word, rng), rng)
    return phrasing


def _outside_slots(
    phrasing: str, pattern: re.Pattern[str], change: Callable[[str], str], rng: random.Random
) -> str:
    """One match of `pattern` outside the braces, changed."""
    taken = [slot.span() for slot in _SLOT.finditer(phrasing)]
    found = [
        match
        for match in pattern.finditer(phrasing)
        if not any(start < match.end() and match.start() < end for start, end in taken)
    ]
    if not found:
        return phrasing
    match = rng.choice(found)
    return phrasing[: match.start()] + change(match.group()) + phrasing[match.end() :]


def _slip(word: str, rng: random.Random) -> str:
    """A word of five letters or more as typed in a hurry: a letter missing, doubled, or two exchanged."""
    at = rng.randint(1, len(word) - 2)
    return rng.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
    )
