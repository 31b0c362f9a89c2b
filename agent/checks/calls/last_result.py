"""What a follow-up question operates on: the last result, unless it says otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.llama.grammar.numbers import derivable_numbers, number_atoms, spellings, spoken_numbers
from agent.transcript import CallerTurn, SummarizerTurn, ToolTurn, Turn, UserTurn

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_GOES_ON = re.compile(
    r"^\W*(?:(?:and|then|now|ok|okay|so|next|please)\W+)*(?:times|minus|plus|over|divided|multipl\w+|add|subtract"
    r"|take(?= .*\b(?:off|away|from)\b)|double|triple|halve|split|square|cube)\b"
    r"|\b(?:of|with|from|to|by|add|subtract|take|divide|multiply|double|halve|split|triple|square|cube)"
    r" (?:that|it|this)\b(?! (?:time|one)\b)"
    r"|\bthe (?:result|answer|outcome)\b|\bits (?:square|cube|root|half|third|quarter|double)\b",
    re.IGNORECASE,
)
_OTHERWISE = re.compile(
    r"\bnot\b|n['\u2019]t\b|\b(?:instead|rather|meant?|wrong|sorry|oops|correct\w*|mistyped?|first|earlier|before|both|same"
    r"|previous\w*|original\w*|again|other|said|forget|swap|replace|scrap|make|back)\b",
    re.IGNORECASE,
)
_SIGNED = re.compile(r"(?<![\w.,])-?\d+(?:\.\d+)?")
_RESULTS = frozenset(("calculate", "convert_units", "days_between"))
"""Tools whose result is a number."""


def expression_of_another_number(expression: str, turns: Sequence[Turn], question: str) -> str:
    """Return what is doubtful about an expression that leaves out the last result; empty if nothing is.

    `turns` are those before `question`. Only a question that goes on from a number, and corrects nothing, is
    judged, and an expression with a number that this question does not hold.
    """
    if not _GOES_ON.search(question) or _OTHERWISE.search(question):
        return ""
    last: set[str] = set()
    for turn in reversed(turns):
        if isinstance(turn, UserTurn):
            return ""
        if isinstance(turn, SummarizerTurn):
            last = _spelled(turn.content)
        if isinstance(turn, ToolTurn):
            if turn.error or turn.name not in _RESULTS:
                return ""
            used = [set(spellings(number)) for number in _NUMBER.findall(expression)]
            own = derivable_numbers([question])
            last |= _spelled(turn.content)
            others = [max(number, key=len) for number in used if not number & own]
            if others and not any(number & last for number in used):
                return f"the question goes on from {turn.content} and the expression has {others[0]}"
            return ""
    return ""


def value_of_an_earlier_question(value: float, turns: Sequence[Turn], question: str) -> str:
    """Return what is doubtful about a conversion of a number from before the last result; empty if nothing.

    `turns` are those before `question`. Only a question without numbers after a conversion is judged.
    """
    if number_atoms([question]) or spoken_numbers(question) or _OTHERWISE.search(question):
        return ""
    said: set[float] = set()
    result = ""
    for turn in reversed(turns):
        if isinstance(turn, UserTurn):
            break
        if isinstance(turn, CallerTurn):
            given = [argument for call in turn.calls for argument in call.arguments.values()]
            said |= {float(number) for number in given if isinstance(number, (int, float))}
        if isinstance(turn, ToolTurn):
            if turn.error or turn.name != "convert_units":
                return ""
            result = result or turn.content
            said |= {float(number) for number in _SIGNED.findall(turn.content)}
    if not said or value in said:
        return ""
    return f"the question goes on from {result} and the call has {value:g}"


def _spelled(text: str) -> set[str]:
    return {spelling for number in _NUMBER.findall(text) for spelling in spellings(number)}
