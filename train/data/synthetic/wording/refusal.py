"""Refusals that say what was asked, in the words of the question."""

from __future__ import annotations

import re

from train.data.phrasings import FRAMING, names

_OPENER = re.compile(
    r"^(?:(?:hey|hi|hello|ok|okay|please|pls|kindly|umi|um|so|quick question|and|then|now|just)\b[,:!]?\s+)+",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"^(?:can|could|would|will) (?:you|u)(?: please| kindly| pls)?\s+"
    r"|^i (?:want|need|would like) you to\s+|^i'd like you to\s+|^would you mind\s+"
    r"|^(?:help me|let me)\s+",
    re.IGNORECASE,
)
_CLOSER = re.compile(r"(?:,? (?:please|pls|thanks|thank you|thx|for me|:\)))+$", re.IGNORECASE)
_SWAPS = {
    "me": "you",
    "my": "your",
    "mine": "yours",
    "myself": "yourself",
    "i": "you",
    "i'm": "you're",
    "am": "are",
    "i've": "you've",
    "our": "your",
    "us": "you",
    "we": "you",
}
_SWAPPED = re.compile(r"\b(" + "|".join(sorted(_SWAPS, key=len, reverse=True)) + r")\b", re.IGNORECASE)
_OPENINGS = sorted((opening.lower() for opening in FRAMING["opening"]), key=len, reverse=True)
_ORDERS = frozenset(names.ORDERS)


def spoken_back(text: str) -> str:
    """Return a person's words as said back to them: I becomes you, my becomes your."""
    return _SWAPPED.sub(lambda match: _SWAPS[match.group().lower()], text)


def _without_opening(text: str) -> str:
    """Return a question without the words before it that ask nothing."""
    for opening in _OPENINGS:
        if text.lower().startswith(opening):
            return _OPENER.sub("", text[len(opening) :])
    return text


def refusal(question: str) -> str:
    """Return the last thought where no tool on offer does what `question` asks.

    An order is said back; any other question is quoted.
    """
    text = _CLOSER.sub("", " ".join(question.split()).rstrip("?.! ")).rstrip("?.!, ")
    text = _without_opening(_OPENER.sub("", text))
    request = _REQUEST.match(text)
    order = text[request.end() :] if request else text
    first = order.split(" ", 1)[0].lower().rstrip(",:")
    if (request or first in _ORDERS) and ". " not in order and "? " not in order and first.isalpha():
        rest = order[len(first) :]
        return f"I cannot {first}{spoken_back(rest)}: no tool on offer does that."
    return f'No tool on offer can answer "{text}".'
