"""The reason of a refusal names what was asked, not a topic that no word of the question has to do with."""

from __future__ import annotations

import re

LONGEST_QUOTED = 200
"""Characters of a question that a refusal repeats."""
_TOPIC = re.compile(r"\b(?:cannot|can't|can not|unable to)\b (?:help with )?([^:.;]+)", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{3,}")
_SAME_START = 4
"""Letters from which on two words count as forms of one: delete and deleting."""
_EMPTY = {"the", "and", "for", "with", "that", "this", "you", "your", "any"}


def named_refusal(thought: str, question: str) -> str:
    """Return `thought`, the reason of a refusal, or where its topic is not the question's one that is."""
    found = _TOPIC.search(thought)
    topic = [word.lower() for word in _WORD.findall(found[1])] if found else []
    words = [word for word in topic if word not in _EMPTY]
    asked = [word.lower() for word in _WORD.findall(question)]
    if not words or any(_are_alike(word, other) for word in words for other in asked):
        return thought
    said = " ".join(question.split())
    shortened = said if len(said) <= LONGEST_QUOTED else f"{said[: LONGEST_QUOTED - 1]}…"
    return f"I found no tool on offer for this: {shortened}"


def _are_alike(word: str, other: str) -> bool:
    return word == other or (len(word) >= _SAME_START and word[:_SAME_START] == other[:_SAME_START])
