"""Grounding: the digits of an answer are numbers, dates and names of its sources, each copied whole.

Small models copy badly; this keeps an answer from showing a number that neither the user nor a tool gave. It
restricts digits only: a number spelled in words is free text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.llama.grammar.cells import lines_with_cells
from agent.transcript import Call, CallerTurn, ToolTurn, Turn, UserTurn

# Patterns over a text's shape, in which every numeric character is replaced by "0".
_TOKEN = re.compile(
    r"(?:(?<![\w)])[-\u2212+])?"  # a sign
    r"\w(?:\w|[./\-](?=\w)|(?<=0)[,:](?=0)"  # words and digits, with what joins them
    r"|(?<=0)\+(?=0)|(?<=[^\W\d])\+(?=0))*"  # 03:04+01:00 and UTC+1
)
_NUMBER = re.compile(r"[-\u2212+]?0(?:[0.,:/\-]*0)?")
_SCIENTIFIC = re.compile(r"[-\u2212+]?0[0.]*[eE][-+]?0+")
_PAIR = re.compile(r"(0+(?:\.0+)?)[/\-+](0+(?:\.0+)?)")
_THOUSANDS = re.compile(r"[-\u2212+]?0{1,3}(?:,000)+(?:\.0+)?")
_MOMENT = re.compile(r"(0[0/\-]*)T(0[0:.]*)(?:Z|[+\-]00:00)?")

# What may come between the atoms of an answer, in the syntax of llguidance's regular expressions.
_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_JOINER = r".,:/+^_'\u2019\-\u2212\u2013\u2014"
_FREE = rf"[^\p{{N}}{_CONTROL}]"
_APART = rf"(?:[^\p{{N}}.,'_\u2019{_CONTROL}]|[^\p{{N}}{_CONTROL}][.,'_\u2019])"
_LETTER = r"[\p{L}\p{M}]"
_GAP = rf"[^\p{{N}}\p{{L}}\p{{M}}{_JOINER}{_CONTROL}]"
_GAP_OR_JOINER = rf"[^\p{{N}}\p{{L}}\p{{M}}_{_CONTROL}]"


@dataclass(frozen=True)
class Atoms:
    """The texts with digits that may be copied, each whole: `numbers`, and `words` such as report2.txt."""

    numbers: frozenset[str]
    words: frozenset[str]


def sources(turns: Sequence[Turn]) -> list[str]:
    """Return the texts that an answer is based on: what the user and the tools said in the dialogue.

    Earlier exchanges count, since a question may refer back to a file or a result of theirs. So does the
    path of a call that succeeded: a list of a folder has the names in it alone.
    """
    return [turn.content for turn in turns if isinstance(turn, ToolTurn | UserTurn)] + _paths(turns)


def _paths(turns: Sequence[Turn]) -> list[str]:
    """Return the paths of the calls that succeeded."""
    found: list[str] = []
    waiting: list[Call] = []
    for turn in turns:
        if isinstance(turn, CallerTurn):
            waiting = list(turn.calls)
        elif isinstance(turn, ToolTurn) and waiting:
            path = waiting.pop(0).arguments.get("path")
            if isinstance(path, str) and not turn.error:
                found.append(path)
    return found


def atoms(texts: Iterable[str]) -> Atoms:
    """Return the numbers, dates, times and names with digits in `texts`.

    A minus belongs to its number. `10-5`, `10+5` and `10/5` also give their two sides, `2026-01-02T03:04`
    its two halves and `10km` its number, in a line with several commas `12.1,6.8` its two values, and in a
    row of a table `58,720` too; every other text counts only as a whole.
    """
    numbers: set[str] = set()
    words: set[str] = set()
    for line, is_row in (line for text in texts for line in lines_with_cells(text)):
        shape = "".join("0" if unicodedata.category(letter)[0] == "N" else letter for letter in line)
        for match in _TOKEN.finditer(shape):
            start, end = match.span()
            spans = [(start, end)]
            is_list = shape.count(",") > 1 and not _THOUSANDS.fullmatch(match.group())
            if "," in match.group() and (is_row or is_list):
                cuts = [start - 1, *(place for place in range(start, end) if shape[place] == ","), end]
                spans += [(before + 1, after) for before, after in pairwise(cuts)]
            for first, last in spans:
                _add_atoms(line[first:last], shape[first:last], numbers, words)
    return Atoms(frozenset(numbers), frozenset(words))


def _add_atoms(text: str, shape: str, numbers: set[str], words: set[str]) -> None:
    """Add what may be copied of a token, given as its text and its shape."""
    if "0" not in shape:
        return
    if not re.match(r"[-\u2212+]?0", shape):
        words.add(text)
        return
    numbers |= {text, text.removeprefix("+")}
    if pair := _PAIR.fullmatch(shape) or _MOMENT.fullmatch(shape):
        numbers |= {text[pair.start(side) : pair.end(side)] for side in (1, 2)}
    elif not _SCIENTIFIC.fullmatch(shape) and (number := _NUMBER.match(shape)):
        numbers.add(text[: number.end()].removeprefix("+"))


def grounded_pattern(found: Atoms) -> str:
    """Return a regular expression of text in which digits occur only as whole atoms.

    A number may come at the start or after a gap (a space, a bracket, a quote, a currency sign), or after a
    letter, or a name with digits, and a colon or a comma; so neither two numbers nor a number and a minus,
    point or comma make a new one. A name with digits may come where a word may start.
    """
    number = _any(found.numbers)
    word = _any(found.words)
    if number and word:
        word = f"{word}(?::{number})?"  # FILE:LINE
    starts = [start for start in (number, word) if start]
    parts = [_FREE]
    if number:
        parts.append(rf"(?:{_GAP}|{_LETTER}[:,]){number}")
    if word:
        parts.append(rf"{_GAP_OR_JOINER}{word}")
    start = f"(?:{'|'.join(starts)})?" if starts else ""
    return f"{start}(?:{'|'.join(parts)})*"


def thought_pattern(found: Atoms) -> str:
    """Return a regular expression of a thought, in which digits occur only as whole atoms.

    Unlike in an answer, an operator may join numbers: a thought says what is to be computed.
    """
    atom = _any(found.numbers | found.words)
    if not atom:
        return f"{_FREE}*"
    return f"(?:{_FREE}*{_APART})?{atom}(?:{_FREE}*{_APART}{atom})*{_FREE}*|{_FREE}*"


def _any(texts: frozenset[str]) -> str:
    return f"(?:{'|'.join(re.escape(text) for text in sorted(texts))})" if texts else ""
