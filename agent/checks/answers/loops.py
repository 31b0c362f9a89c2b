"""Text that says the same over and over: models that loop do not end a turn by themselves."""

from __future__ import annotations

import re

LEAST_LOOP = 160
"""Characters from which on a repetition at the end of a text is a loop; a row of zeros is shorter."""
LEAST_REPEATS = 4
LONGEST_REPEATED = 300
"""Characters of what is said over and over, at most."""
_ANCHOR = 16
"""Characters of the end that are looked for before it, to tell how long the repeated part may be."""
_LOOP = re.compile(r"(\S.{6,80}?)\1{3,}")


def looped(text: str) -> str:
    """Return a part of `text` that says the same at least four times in a row; empty if there is none."""
    found = _LOOP.search(text)
    return found.group() if found else ""


def ending_loop(text: str) -> str:
    """Return the end of `text` in which a part with a letter or digit is repeated; empty if there is none."""
    if len(text) < LEAST_LOOP:
        return ""
    end = text[-_ANCHOR:]
    at = text.rfind(end, 0, _last_word_character(text))
    while at >= 0 and (size := len(text) - len(end) - at) <= LONGEST_REPEATED:
        length = max(LEAST_LOOP, LEAST_REPEATS * size)
        loop = text[-length:]
        if len(loop) == length and loop[size:] == loop[:-size]:
            return loop
        at = text.rfind(end, 0, at + len(end) - 1)
    return ""


def _last_word_character(text: str) -> int:
    """Return where the last letter or digit of `text` stands; 0 if its last `LONGEST_REPEATED` have none.

    A shorter part at the end has none, so that a long row of newlines is not tried at each length.
    """
    first = max(0, len(text) - LONGEST_REPEATED)
    return next((at for at in range(len(text) - 1, first - 1, -1) if text[at].isalnum()), 0)
