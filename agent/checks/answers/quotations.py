"""What an answer quotes: lines, texts in quotation marks and paths stand in the question or in a result.

A line is quoted after an introduction that ends with a colon (`a.txt says:`), in the same line or in those
that follow. A copy that leaves out the middle, joins two lines or spells a word in another way is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

_INTRODUCTION = re.compile(
    r"(?:\b(?:say|says|said|read|reads|line|contain|contains|hold|holds|with|from)|\bline \d+|\.\w{1,5}):"
    r"(?:\s+(?P<quoted>\S.*))?$",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"(?P<file>\S.*?),? lines? (?P<line>\d+)(?: (?:says?|reads?|is))?: (?P<quoted>\S.*)", re.IGNORECASE
)
_PREFIX = re.compile(r"(?:\d+|[^:\n]+:\d+): ")
"""What tools write before a line: its number, or its file and its number."""
_MARK = re.compile(r"(?:[-*\u2022]|\d+[.)])\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_MARKED = re.compile(r"\"([^\"\n]+)\"|\u201c([^\u201d\n]+)\u201d|\u00ab([^\u00bb\n]+)\u00bb")
_PATH = re.compile(
    r"(?<![\w/.:])(?:[\w.-]{0,200}[^\W\d_][\w.-]{0,200})?(?:/[\w.-]{0,200}[^\W\d_][\w.-]{0,200})+/?"
)
_PLAIN_PAIRS = {"and/or", "he/she", "his/her", "yes/no", "km/h", "m/s", "n/a"}
_ODD_CAPITAL = re.compile(r"\b[^\W\d_]*[a-z][A-Z][^\W\d_]*\b")
_OWN_WORDS = re.compile(r"I(?:'\w+)? ")
"""How a line of the answer's own begins that follows the quoted ones."""
_BOLD = re.compile(r"(?<![\w)*])\*\*(\S(?:[^*\n]*\S)?)\*\*(?![\w(*])")
_CODE = re.compile(r"(?<![\w`])`([^`\n]+)`(?![\w`])")
_ALMOST = 0.7
"""difflib's ratio from which a text is a changed copy of a line."""
_JSON = re.compile(r"[\"\]}]\s*[,:]\s*[\"\[{]|\"\s*\}|\{\s*\"")


class Quotations:
    """Checks the lines of an answer, in order, against `said`, the texts that it may quote.

    An answer that is `free` may also tell in its own words what stands after an introduction: there only a
    text that is almost a line that was said, and none, is a wrong quotation.
    """

    def __init__(self, said: Sequence[str], *, free: bool = False) -> None:
        self._free = free
        self._text = _normal("\n".join(said))
        self._lines = {line for text in said for line in _line_forms(text)}
        if free:
            self._lines |= set(map(without_emphasis, self._lines))
        texts = [_normal(text).splitlines() for text in said]
        self._of_several = {line for lines in texts if len(lines) > 1 for line in lines}
        self._numbered = re.search(r"^\S.*?:\d+: ", self._text, re.MULTILINE) is not None
        """Whether lines with their file and number were found."""
        self._within = False

    def doubt(self, piece: str) -> str:
        """Return what the next lines of the answer quote and nobody said, as a clause, or an empty text."""
        return next((doubt for line in piece.splitlines() for doubt in self._doubts(line)), "")

    def _doubts(self, line: str) -> Iterator[str]:
        stripped = line.strip()
        if self._within and stripped and not _OWN_WORDS.match(stripped):
            unmarked = _MARK.sub("", stripped, count=1)
            forms = (stripped, unmarked, *([without_emphasis(unmarked)] if self._free else ()))
            if not any(map(self._is_line, forms)) and not (self._free and self._is_own(forms[-1])):
                yield f"{_shortened(stripped)} is no line of what was said"
            return
        if self._within and self._free and not stripped:
            return
        # A line of a text of several lines begins a quotation without an introduction.
        self._within = len(stripped) > 3 and _normal(stripped) in self._of_several
        if self._numbered and (place := _PLACE.match(stripped)):
            quoted = f"{place['file']}:{place['line']}: {_first_sentence(place['quoted'])}"
            if not self._is_said(quoted):
                yield f"{_shortened(stripped)} is no line of what was said"
        elif found := _INTRODUCTION.search(stripped):
            if found["quoted"] is None:
                self._within = True
            elif not all(
                self._is_said(part)
                or all(map(self._is_said, part.split(" and ")))
                or (self._free and self._is_own(part))
                for part in _first_sentence(found["quoted"]).split("; ")
            ):
                yield f"{_shortened(found['quoted'])} is nothing that was said"
        if any(_normal(markup) not in self._text for markup in _JSON.findall(stripped)):
            yield "it holds the markup of a call"
        for quoted in (text for groups in _MARKED.findall(stripped) for text in groups if text):
            if not self._is_said(quoted):
                yield f"{_shortened(quoted)} is quoted and stands nowhere in what was said"
        for word in (*_PATH.findall(stripped), *_ODD_CAPITAL.findall(stripped)):
            if word.lower() not in _PLAIN_PAIRS and _normal(word).rstrip(".") not in self._text:
                yield f"{word} stands nowhere in what was said"

    def _is_line(self, text: str) -> bool:
        """Return whether a line is one that was said, with a sentence of the answer's own after it or not."""
        line = _normal(text)
        return line in self._lines or any(
            line.startswith(f"{one}{end}") for one in self._lines if one for end in (" ", ". ")
        )

    def _is_own(self, text: str) -> bool:
        """Return whether a text resembles no line that was said, so that it is no copy of one."""
        line = _normal(text).strip("\"'`> .!?")
        if any(one in line for one in self._lines if len(one) > 3):
            return True
        return not get_close_matches(line, self._lines, n=1, cutoff=_ALMOST)

    def _is_said(self, quoted: str) -> bool:
        """Return whether a text was said, from the beginning of a word to the end of one."""
        text = _normal(quoted).rstrip(".!?")
        return re.search(rf"(?<!\w){re.escape(text)}(?!\w)", self._text) is not None


def without_emphasis(text: str) -> str:
    """Return `text` without the marks of bold text and of code in Markdown."""
    return _CODE.sub(r"\1", _BOLD.sub(r"\1", text))


def _normal(text: str) -> str:
    """Return the form in which texts are compared: NFC, in lower case, with single spaces in a line."""
    lines = unicodedata.normalize("NFC", text).lower().splitlines()
    return "\n".join(" ".join(line.split()) for line in lines)


def _line_forms(text: str) -> Iterator[str]:
    for line in _normal(text).splitlines():
        yield line
        yield _PREFIX.sub("", line, count=1)


def _first_sentence(text: str) -> str:
    return _SENTENCE_END.split(text, maxsplit=1)[0]


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
