"""Text for terminals that show ASCII only: the nearest characters, never an escape in a word.

A terminal is taken for one where the locale is C or POSIX, or its encoding lacks a character.
"""

# ruff: noqa: RUF001 - the characters of the table are meant

from __future__ import annotations

import codecs
import os
import unicodedata
from collections.abc import Mapping

NAME = "umi-ascii"
"""The name of the error handler of streams, for `TextIOWrapper.reconfigure`."""

_NEAREST: Mapping[str, str] = {
    **dict.fromkeys("·•●○◦", "*"),
    **dict.fromkeys("▸▶▹›»→⟶⇒", ">"),
    **dict.fromkeys("◂◀‹«←", "<"),
    **dict.fromkeys("–—‒―−─━┄┈╌═⎯", "-"),
    **dict.fromkeys("│┃┆┊╎║▌▋▊▉█▐▎▍▏▕", "|"),
    **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼┏┓┗┛╔╗╚╝╠╣╦╩╬▄▀▃▂▁▆▇▅", "+"),
    **dict.fromkeys("‘’‚′", "'"),
    **dict.fromkeys("“”„″", '"'),
    **dict.fromkeys("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "*"),
    **dict.fromkeys("✓✔", "v"),
    **dict.fromkeys("×✗✘✕", "x"),
    **{"…": "...", "≤": "<=", "≥": ">=", "≠": "!=", "÷": "/", "°": "deg", "µ": "u", "€": "EUR", "£": "GBP"},
    **{"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"},
    **{"đ": "d", "Đ": "D", "ð": "d", "þ": "th", "ı": "i", "↵": "|"},
}


def wants_ascii() -> bool:
    """Return whether the locale of the environment is C or POSIX, which knows ASCII only."""
    named = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "")
    return named in ("C", "POSIX")


def to_ascii(text: str, *, same_width: bool = False) -> str:
    """Return `text` with the nearest ASCII for every other character, `?` where there is none.

    With `same_width`, each becomes one character, or two where it is drawn two cells wide.
    """
    return text if text.isascii() else "".join(_nearest(one, same_width) for one in text)


def _nearest(character: str, same_width: bool) -> str:
    if character.isascii():
        return character
    found = _NEAREST.get(character, "")
    if not found:
        plain = unicodedata.normalize("NFKD", character)
        found = "".join(one for one in plain if one.isascii())
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return ""
    if not same_width:
        return found or "?"
    width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return (found or "?" * width).ljust(width)[:width]


def _handle(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(map(_shown, text)), error.end


def _shown(character: str) -> str:
    if "\ud800" <= character <= "\udfff":  # half of a pair: a byte that is not UTF-8
        return character.encode("unicode_escape").decode()
    return to_ascii(character)


codecs.register_error(NAME, _handle)
