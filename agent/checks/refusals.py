"""The reason of a refusal speaks of what was asked: its topic of the head, another reason in its words.

The head of a question is its first clause with a wish: "mail my boss" of "mail my boss, tell her I'm ill".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST_QUOTED = 200
"""Characters of a question that a refusal repeats."""
LEAST_SPLICED = 3
"""Words of an error's end that a thought repeats, at least, without the words before them."""
_TOPIC = re.compile(r"\b(?:cannot|can't|can not|unable to)\b (?:help with )?([^:.;]+)", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[,:;.!?](?:\s+|$)|\n|\s(?:and|then|but|because|so that)\s", re.IGNORECASE)
_STATEMENT = re.compile(
    r"(?:(?:i|we|you|he|she|they|it|there|this|that)\b(?! (?:want|need|would|wish)|'d)|(?:my|our|if|since)\b"
    r"|when (?!(?:is|are|was|were|do|does|did|will|can)\b)|(?!wh)(?!how)\S+ (?:is|are|was|were)\b|\S+$"
    r"|[\w ]*\b(?:question|thing|favou?r)$)",
    re.IGNORECASE,
)
"""How a clause begins that says why or when something is asked; one of a single word, or of what it is."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_SAME_START = 4
"""Letters from which on two words count as forms of one: delete and deleting."""
_EMPTY = (
    "the and for with that this you your any please could would can will hey hello thanks want need like help"
    " what where when which who how why"
)
"""Words of a question that do not tell what is asked for."""
_OF_REFUSALS = (
    "not but tool tools offer offered here can cannot could able does done answer answered available has have"
    " nothing none"
)
"""Words of any refusal."""


def named_refusal(thought: str, question: str) -> str:
    """Return `thought`, the reason of a refusal, or where it does not speak of the question one that does.

    A reason that asks back stays as it is.
    """
    if thought.rstrip().endswith("?"):
        return thought
    found = _TOPIC.search(thought)
    if found:
        topic, head = _words(found[1]), _head(question)
        is_named = any(_are_alike(word, other) for word in topic for other in head)
    else:
        words = [word for word in _words(thought) if word not in _OF_REFUSALS.split()]
        asked = _words(question)
        is_named = bool(words) and all(any(_are_alike(word, other) for other in asked) for word in words)
    return thought if is_named else _no_tool(question)


def named_failure(thought: str, question: str, error: str) -> str:
    """Return `thought`, the reason to give up after calls, or another one where it tells of something else.

    That is a topic that neither question nor error names, or the end of the error behind other words.
    `error` is what the last failed call returned; empty where none failed.
    """
    found = _TOPIC.search(thought)
    spoken_of = [*_words(question), *_words(error)]
    if found and not any(_are_alike(word, other) for word in _words(found[1]) for other in spoken_of):
        return error or _no_tool(question)
    return error if _is_spliced(thought, error) else thought


def _is_spliced(thought: str, error: str) -> bool:
    """Return whether `thought` ends as `error` does, but does not hold the whole of it."""
    said, told = (text.rstrip(" .").lower().split() for text in (error, thought))
    alike = 0
    while alike < min(len(said), len(told)) and said[-alike - 1] == told[-alike - 1]:
        alike += 1
    return LEAST_SPLICED <= alike < len(said)


def _no_tool(question: str) -> str:
    said = " ".join(question.split())
    shortened = said if len(said) <= LONGEST_QUOTED else f"{said[: LONGEST_QUOTED - 1]}…"
    return f"I found no tool on offer for this: {shortened}"


def _head(question: str) -> list[str]:
    """Return the words of the first clause that is no greeting and no statement; of all where each is one."""
    wishes = (_words(clause) for clause in _clauses(question) if not _STATEMENT.match(clause))
    return next(filter(None, wishes), []) or _words(question)


def _clauses(question: str) -> Iterator[str]:
    return (clause.strip() for clause in _CLAUSE_END.split(question))


def _words(text: str) -> list[str]:
    return [word for word in map(str.lower, _WORD.findall(text)) if word not in _EMPTY.split()]


def _are_alike(word: str, other: str) -> bool:
    return word == other or (len(word) >= _SAME_START and word[:_SAME_START] == other[:_SAME_START])
