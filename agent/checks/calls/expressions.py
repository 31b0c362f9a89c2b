"""Rules that the expression of `calculate` is checked by, against the words of the question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from agent.checks.calls.operands import asked_digits
from agent.checks.spoken import spoken_in_order
from agent.llama.grammar.numbers import spellings

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")
_OPERATORS: Mapping[str, str] = {
    "+": r"\d\s+plus\s|\badd(?:ed)?\b(?! (?:to|it|that|this|them|an?|up is)\b)|\bsum of\b|\bincreased by\b",
    "-": r"\d\s+minus\s|\bsubtract(?:ed)?\b|\btake away\b|\bdecreased by\b",
    "*": r"\d\s+times\s|\bmultipl(?:y|ied)\b|\bproduct\b",
    "/": r"\bdivided?\b|\bquotient\b",
}
_BINARY = re.compile(r"(?<=[\d)%\w])\s*(\*\*|[-+*/^])\s*(?=[-+\d(.\w])")
_SAME_AGAIN = re.compile(
    r"\b(?:squared?|cubed?|power|itself|twice|double|triple|dozens?|same|each (?:other|of)|times as|it|that"
    r"|those|these|them|halved?)\b|\^|\*\*",
    re.IGNORECASE,
)
_PRODUCT = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?) ?\* ?\d")
_EVERY = re.compile(r"\b(?:each|every|everyone|both|all|per|apiece|sets?|times|same)\b|\(", re.IGNORECASE)
_SHARE_OF = re.compile(r"\d\s?(?:%|per ?cent) of (?:the |my |our |an? )?[$€£]?\d", re.IGNORECASE)
_CHANGE = re.compile(
    r"\b(?:off|on top|plus|add|minus|less|more|up|down|rais|ris|grow|grew|fell|fall|drop|cut|sav|discount"
    r"|reduc|increas|decreas|tax|vat|tip|left|remain|rest|after|without|total|altogether|then)",
    re.IGNORECASE,
)
"""A word that may turn a share into a sum or a difference with the whole."""
_ADDED_SHARE = re.compile(r"[\d)]\s*[-+]\s*\d+(?:\.\d+)?\s*%(?!\s*(?:[*\d]|of\b))")
_DIVIDED_BY_SHARE = re.compile(r"/\s*\d+(?:\.\d+)?\s*%(?!\s*\d)")
_WHOLE = re.compile(
    r"\bdivi|\b(?:what (?:number|amount|is)|which|whole|original|full|before|initial|total|if|when|where)\b",
    re.IGNORECASE,
)
"""A word of a question that asks for the whole that a share is of."""
_ASKS_FOR_PERCENT = re.compile(r"\b(?:what|which|how many|as an?) (?:%|per ?cent(?:age)?\b)", re.IGNORECASE)
_FACTORS: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = tuple(
    (re.compile(words, re.IGNORECASE), frozenset(numbers))
    for words, numbers in (
        (r"\bhalf a dozen\b", ("6", "2", "0.5")),
        (r"\b(?:double|twice)\b(?=.*\d)", ("2",)),
        (r"\b(?:triple|treble|thrice)\b(?=.*\d)", ("3",)),
    )
)
"""Words that are an operand, and what that may be in an expression."""


def other_operator(arguments: Mapping[str, Any], question: str) -> str | None:
    """The operator that the question names is the one of an expression with a single operator."""
    used = _BINARY.findall(str(arguments.get("expression", "")))
    named = [sign for sign, words in _OPERATORS.items() if re.search(words, question, re.IGNORECASE)]
    if len(used) == len(named) == 1 and len(asked_digits(question)) == 2 and used[0] != named[0]:
        if named[0] == "*" and used[0] in ("^", "**"):
            return None
        return f"the question names {named[0]} and the expression has {used[0]}"
    return None


def one_number_only(arguments: Mapping[str, Any], question: str) -> str | None:
    """An expression does not consist of one number over and over."""
    used = _NUMBER.findall(str(arguments.get("expression", "")))
    numbers = [*map(spellings, _NUMBERS.findall(question)), *spoken_in_order(question)]
    said = [forms for forms in numbers if used[0] in forms] if used else []
    if len(used) > 1 and len(set(used)) == 1 and len(said) < 2 and not _SAME_AGAIN.search(question):
        return f"the expression has nothing but {used[0]}, {len(used)} times"
    return None


def shared_factor(arguments: Mapping[str, Any], question: str) -> str | None:
    """Two products of an expression have a factor in common only where the question gives it twice."""
    expression = str(arguments.get("expression", ""))
    shared = [factor for factor, others in Counter(_PRODUCT.findall(expression)).items() if others > 1]
    if not shared or _EVERY.search(question):
        return None
    numbers = [*map(spellings, _NUMBERS.findall(question)), *spoken_in_order(question)]
    said = [forms for forms in numbers if shared[0] in forms]
    return f"the expression multiplies by {shared[0]} twice" if len(said) == 1 else None


def misread_percentage(arguments: Mapping[str, Any], question: str) -> str | None:
    """A share of a number is a product, only the whole a quotient; what is asked in percent is times 100."""
    expression = str(arguments.get("expression", ""))
    if _SHARE_OF.search(question) and not _CHANGE.search(question) and _ADDED_SHARE.search(expression):
        return "the question asks for a share of a number and the expression adds or subtracts it"
    if _DIVIDED_BY_SHARE.search(expression) and not _WHOLE.search(question):
        return "the expression divides by a percentage"
    if _ASKS_FOR_PERCENT.search(question) and "/" in expression and not re.search(r"\b100\b|%", expression):
        return "the question asks for percent and the expression gives a fraction"
    return None


def missing_factor(arguments: Mapping[str, Any], question: str) -> str | None:
    """Words such as double and half a dozen are an operand of the expression."""
    used = _NUMBER.findall(str(arguments.get("expression", "")))
    for words, numbers in _FACTORS:
        found = words.search(question)
        if found and used and not numbers.intersection(used) and len(set(used)) == len(used):
            return f"the expression leaves out “{found.group()}”"
    return None
