"""Formatting of observations: bounded length, no control characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MAX_CHARACTERS = 4000
"""Maximum length of an observation, about 1,000 tokens; remarks on what was left out are not counted."""
MAX_LINES = 100
"""Maximum number of lines of an observation."""
HEAD_SHARE = 2 / 3
"""The share of a long text's beginning in what is shown of it; the rest is its end."""
MAX_LONG_LINE = 1200
"""Maximum number of characters shown of a line, where a text of several lines is too long."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_NAMES = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def strip_control(text: str) -> str:
    """Return `text` without lone surrogates and control characters, which could repaint a terminal."""
    return _CONTROL.sub("", text)


def safe_name(name: str) -> str:
    """Return a file name with its control characters, line breaks and bytes outside UTF-8 escaped."""
    return _NOT_IN_NAMES.sub(_escaped, name)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    # Python has the byte 0xff of a file name as U+DCFF.
    return f"\\x{code & 0xFF:02x}" if 0xDC80 <= code <= 0xDCFF else repr(found.group())[1:-1]


def pluralize(number: int, noun: str) -> str:
    """Return `1 day`, `3 days`."""
    return f"{number} {noun}" if abs(number) == 1 else f"{number} {noun}s"


def shorten(text: str, length: int) -> str:
    """Return `text` with white space collapsed, cut to at most `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def join_lines(lines: Sequence[str], remark: str = "", *, numbers: tuple[int, int] | None = None) -> str:
    """Return the lines as one text, with `remark` in parentheses after them if it is not empty.

    Of more than `MAX_CHARACTERS` characters or `MAX_LINES` lines, the first and the last are shown, and
    between them how many are left out. `numbers`, for lines that can be asked for by number, are the number
    of the first one and how many there are in all.
    """
    shown = list(lines) if _fits(lines) else _page(lines, numbers)
    if remark:
        shown.append(f"… ({remark})")
    return strip_control("\n".join(shown))


def page_text(text: str) -> str:
    """Return a text of a tool that does not page itself; of one that is too long, its head and tail."""
    lines = text.split("\n")
    # Room for the remarks of tools that do.
    fits = len(text) <= MAX_CHARACTERS + 1000 and len(lines) <= MAX_LINES + 2
    return text if fits else join_lines(lines)


def _fits(lines: Sequence[str]) -> bool:
    return len(lines) <= MAX_LINES and sum(map(len, lines)) + len(lines) - 1 <= MAX_CHARACTERS


def _page(lines: Sequence[str], numbers: tuple[int, int] | None) -> list[str]:
    """Return the first and the last lines, with a line between them that tells what is left out."""
    if len(lines) == 1:
        return [_cut(lines[0], MAX_CHARACTERS)]
    head = _fitting((_cut(line, MAX_LONG_LINE) for line in lines), HEAD_SHARE)
    tail = _fitting((_cut(line, MAX_LONG_LINE) for line in reversed(lines[len(head) :])), 1 - HEAD_SHARE)
    left_out = len(lines) - len(head) - len(tail)
    if not left_out:
        return [*head, *reversed(tail)]
    if numbers is None:
        gap = f"{left_out} of {len(lines)} lines left out"
    else:
        first, last = numbers[0] + len(head), numbers[0] + len(head) + left_out - 1
        which = f"line {first}" if first == last else f"lines {first} to {last}"
        gap = f"{which} of {numbers[1]} left out; read them with start_line and end_line"
    return [*head, f"… ({gap})", *reversed(tail)]


def _fitting(lines: Iterable[str], share: float) -> list[str]:
    """Return as many of the lines as a share of an observation holds."""
    found: list[str] = []
    room = int(MAX_CHARACTERS * share)
    for line in lines:
        room -= len(line) + 1
        if room < 0 or len(found) == int(MAX_LINES * share):
            break
        found.append(line)
    return found


def _cut(line: str, room: int) -> str:
    """Return a line, or about `room` characters of it: its beginning, what is left out, its end."""
    if len(line) <= room:
        return line
    head, tail = int(room * HEAD_SHARE), int(room * (1 - HEAD_SHARE))
    return f"{line[:head]}… ({len(line) - head - tail} of {len(line)} characters left out) …{line[-tail:]}"
