"""The numbers that an arithmetic question gives, in digits and in words: an expression uses all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.checks.spoken import spoken_operands, without_days
from agent.llama.grammar.numbers import spellings

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])")
_ASKED = re.compile(r"(?<![\w.,-])\d+(?:[.,]\d+)*(?![\w-]|[.,]\w)(?!\s*(?:thousand|million|billion)\b)")
"""A number that stands alone: no part of a name, a date or a larger number."""
_CORRECTION = re.compile(
    r"\b(?:not|instead|make|change|meant?|replace|after|wrong|correct\w*|should|mixed up|forget|swap"
    r"|in place of|rather than|but I|scrap|drop|better|misread|wanted|scratch|exchange|turn the"
    r"|sorry|typo|mistake|(?:I|it) (?:said|says|wrote))\b|n['\u2019]t\b|\bno\b[:,]",
    re.IGNORECASE,
)
_SEVERAL = re.compile(
    r"\b(?:save|put|write|store|note|file|then|remember|send|transfer|also|questions|as well|dozens?)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?;:])\s+|\n|\sand (?=what|how|can|could|would|please)|\s\+ (?=[a-z])")
_ENUMERATOR = re.compile(r"(?:^|(?<=[.!?,;:]\s))\s*\d{1,2}\)\s")
_NO_OPERAND = re.compile(
    r"\b(?:as 100\s?%|\d+ (?:days|weeks|months|years) (?:later|from|before|after|on|ahead)\b)", re.IGNORECASE
)
"""The whole of a percentage, and a count of days to another date."""
_REQUEST = re.compile(
    r"\?|\b(?:what|which|when|where|who|how|do|does|is|are|tell|show|also|more)\b", re.IGNORECASE
)
_ASKER = re.compile(r"\b(?:I|me|myself|we|us)\b", re.IGNORECASE)


def asked_digits(question: str) -> list[str]:
    """Return the numbers in digits of `question` that stand alone."""
    return _ASKED.findall(question)


def left_out(written: str, question: str) -> str:
    """Return a number of `question` that `written`, the calls of a step, lacks; empty if none does.

    None does where it holds no other number of the question either, or where the question corrects an earlier
    one or asks for several things.
    """
    if _CORRECTION.search(question) or _SEVERAL.search(question):
        return ""
    numbers = [*_NUMBER.findall(written), *_GROUPED.findall(written)]
    used = {spelling for number in numbers for spelling in spellings(number)}
    question = _NO_OPERAND.sub(" ", without_days(_ENUMERATOR.sub(" ", question)))
    digits, words = len(_ASKED.findall(question)), sum(1 for _ in spoken_operands(question))
    counts = {str(digits), str(digits + words - 1)}
    lacking: list[str] = []
    uses_any = False
    for sentence in _SENTENCE_END.split(question):
        operands = list(_operands(sentence, counts))
        lacks = [number for number, forms in operands if not used & forms]
        uses_any |= len(lacks) < len(operands)
        uses_none = len(lacks) == len(operands)
        is_another_task = uses_none and (len(lacks) > 1 or _REQUEST.search(sentence))
        lacking += [] if is_another_task else lacks
    return lacking[0] if lacking and uses_any else ""


def _operands(sentence: str, counts: set[str]) -> Iterator[tuple[str, set[str]]]:
    """Yield the numbers of a sentence, with the digits that each may be in an expression.

    A word for one of `counts`, how many numbers there are, counts them: the sum of the three numbers 4, 5, 9.
    """
    for number in _ASKED.findall(sentence):
        yield number, set(spellings(number))
    for numbers in spoken_operands(sentence):
        value = max(numbers, key=int)
        if value in counts:
            continue
        # Three friends and I are four.
        people = {str(int(number) + 1) for number in numbers} if _ASKER.search(sentence) else set[str]()
        yield value, numbers | people
