"""What an answer claims about its sources: units, names, whole lists; and that it is no call."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from agent.tools.lib.argument_types import FILE_PATTERNS
from agent.tools.lib.dates import MONTHS, WEEKDAYS
from agent.tools.lib.numbers.units import Unit, find_unit
from agent.transcript import ToolTurn

LEAST_LIST = 3
"""Lines from which what a tool said is a list."""
_CALL = re.compile(r'\{\s*"(?:name|arguments)"\s*:')
_QUANTITY = re.compile(r"(?<![\w.,])([-\u2212]?\d[\d.,]*\d|\d)\s?([^\W\d_]+(?:/[^\W\d_]+)?(?:[ ][^\W\d_]+)?)")
_FILE = re.compile(r"[^\s\"'`()<>,;:*]*[^\W\d_][^\s\"'`()<>,;:*]*\.[^\W\d_][\w]{0,4}\b")
_FILE_OF_KIND = re.compile(
    r"(?:[^\s\"'`()<>,;:*]|(?<=\d):(?=\d))*[^\s\"'`()<>,;:*.]"
    rf"\.(?:{'|'.join(kind[2:] for kind in FILE_PATTERNS.split()[1:])})\b"
)
"""The name of a file of a known kind; of digits alone too, as 22:15.md."""
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w'-]+")
_KNOWN_NAMES = {name.lower() for name in (*MONTHS, *WEEKDAYS)} | {"i", "i'm", "i'll", "i've", "umi", "ok"}
_ABBREVIATIONS = {"e.g", "i.e", "a.m", "p.m"}
_PART = re.compile(r"\d|\b(?:first|last|top|some|one|two|three|four|five|end|only)\b", re.IGNORECASE)
_NOTE_NUMBER = r"^\d+: "
_INTRODUCTION = re.compile(r"^no file .* but these (?:lines|names) (?:do|contain '.*'):\n")
"""What a search says before the list of what it found otherwise."""
_LISTING = {"list_files", "find_files", "search_text", "search_notes"}
"""The tools whose observation is a list that an answer tells whole."""


def holds_call(answer: str, said: Sequence[str]) -> str:
    """Return that `answer` holds a call, as a clause; empty where it holds none, or texts have the same."""
    is_call = _CALL.search(answer) and not any(map(_CALL.search, said))
    return "it holds a call" if is_call else ""


def _quantities(text: str) -> Iterator[tuple[str, Unit]]:
    """Yield the numbers of `text` that a unit follows, and the unit."""
    for number, words in _QUANTITY.findall(text):
        if unit := find_unit(words) or find_unit(words.split(" ")[0]):
            yield number, unit


def wrong_unit(answer: str, texts: Sequence[str]) -> str:
    """Return which number of `answer` has another unit than in `texts`, as a clause; empty if none has."""
    known: dict[str, set[Unit]] = {}
    for text in texts:
        for number, unit in _quantities(text):
            known.setdefault(number, set()).add(unit)
    for number, unit in _quantities(answer):
        alike = {other for other in known.get(number, ()) if other.kind == unit.kind}
        if alike and unit not in alike:
            return f"{number} has another unit than in its source"
    return ""


def unknown_file(answer: str, said: Sequence[str]) -> str:
    """Return which file of a known kind that `answer` names nobody said, as a clause; empty if none."""
    return _unsaid(_FILE_OF_KIND.findall(answer), said)


def unknown_name(answer: str, said: Sequence[str]) -> str:
    """Return which file, word with foreign letters or name nobody said, as a clause; empty if all were."""
    words = [word for word in re.findall(r"[^\W\d_]+", answer) if not word.isascii()]
    names = [name for name in _NAME.findall(answer) if name.lower() not in _KNOWN_NAMES]
    files = [name for name in _FILE.findall(answer) if name.lower() not in _ABBREVIATIONS]
    return unknown_file(answer, said) or _unsaid((*files, *words, *names), said)


def _unsaid(names: Sequence[str], said: Sequence[str]) -> str:
    if not names:
        return ""
    texts = unicodedata.normalize("NFC", "\n".join(said)).lower()
    for name in names:
        word = unicodedata.normalize("NFC", name).lower().rstrip(".'")
        if not re.search(rf"(?<!\w){re.escape(word)}", texts) and (word[0].isalnum() or word not in texts):
            return f"{name} stands nowhere in what was said"
    return ""


def incomplete_list(answer: str, question: str, observation: ToolTurn) -> str:
    """Return what a list that `answer` tells of lacks or has in another order; empty if nothing.

    A list may be told in part where the question asks for a part of it.
    """
    prefix = _NOTE_NUMBER if observation.name == "search_notes" else ""
    content = _INTRODUCTION.sub("", observation.content)
    lines = [re.sub(prefix, "", line.strip()) for line in content.splitlines() if line.strip()]
    if observation.name not in _LISTING or len(lines) < LEAST_LIST or len(set(lines)) < len(lines):
        return ""
    places = [_place(line, answer) for line in lines]
    told = [place for place in places if place >= 0]
    if len(told) < 2:
        return ""
    if told != sorted(told):
        return "it tells a list in another order"
    if len(told) < len(lines) and not _PART.search(question):
        left_out = [line for line, place in zip(lines, places, strict=True) if place < 0]
        shown = [line for line, place in zip(lines, places, strict=True) if place >= 0]
        if len(lines) <= 2 * len(told) or not _is_asked_part(shown, left_out, question):
            return f"it leaves out {left_out[0]}"
    return ""


def _place(line: str, answer: str) -> int:
    """Return where a line stands in `answer`, not within a longer name; -1 where it does not."""
    found = re.search(rf"(?<![\w./-]){re.escape(line)}(?![\w/-]|\.\w)", answer)
    return found.start() if found else -1


def _is_asked_part(shown: Sequence[str], left_out: Sequence[str], question: str) -> bool:
    """Return whether a kind of files or a word of the question tells the lines shown from those left out."""
    kinds = {line.rpartition(".")[2] for line in shown}
    if len(kinds) == 1 and not any(line.endswith(f".{kind}") for line in left_out for kind in kinds):
        return True
    return any(
        all(word in line.lower() for line in shown) and not any(word in line.lower() for line in left_out)
        for word in re.findall(r"\w{2,}", question.lower())
    )
