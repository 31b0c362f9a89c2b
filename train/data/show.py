"""`umi train data show`: rows as the models read them, with the targets of the loss marked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from agent.errors import InputError
from agent.prompting import CHATML, Markers, Tokenize, segments
from agent.prompting.encoding import encode, view_roles
from agent.transcript import Row, Transcript
from agent.transcript.rows import Line, read_lines, row_files, row_of
from train.data.checks.lengths import open_tokenize
from train.data.terminal import dim, visible, wants_colour

OPEN, CLOSE = "«", "»"
"""The marks around target text in output without colour."""


def show(
    paths: Sequence[Path],
    say: Callable[[str], None],
    *,
    role: str = "backbone",
    count: int = 3,
    line: int | None = None,
    base: Path | None = None,
    color: str = "auto",
) -> int:
    """Print the first `count` rows with a target turn of `role`, each up to its last such turn; return 0.

    Text that is not a target is dimmed; without colour (`color` is `always`, `never` or `auto`), target text
    stands between « and ». `line` takes only the row in that line of a file. With `base`, the folder of a
    model, tokens are counted. Raise InputError where there is no such row.
    """
    if count < 1:
        raise InputError(f"--count is {count}", "give a number of at least 1")
    files = row_files(*paths)
    tokenize = open_tokenize(base) if base else None
    colour = wants_colour(sys.stdout, color)
    shown = 0
    for place, row in select_rows(files, line):
        parts = split_by_target(row.transcript, role)
        if not parts:
            continue
        if not shown:
            say(
                "targets of the loss " + ("are not dimmed" if colour else f"stand between {OPEN} and {CLOSE}")
            )
        print(visible(title(place, row, role, tokenize)))
        print(paint(parts, colour), end="\n\n")
        shown += 1
        if shown == count:
            break
    if not shown:
        where = f"line {line} of {files[0]}" if line else "these rows"
        raise InputError(
            f"there is no turn of the {role} to train on in {where}", "name other rows or another --role"
        )
    return 0


def select_rows(files: Sequence[Path], number: int | None) -> Iterator[tuple[Line, Row]]:
    """Yield all rows, or the one in line `number` of the only file. Raise InputError where there is none."""
    if number is not None and len(files) != 1:
        raise InputError(f"--line is given and there are {len(files)} files", "name one file")
    for file in files:
        for line in read_lines(file):
            if number in (None, line.number):
                yield line, row_of(line)
            if number == line.number:
                return
    if number is not None:
        raise InputError(
            f"{files[0]} has no row in line {number}", "count its rows with `umi train data check`"
        )


def split_by_target(transcript: Transcript, name: str, markers: Markers = CHATML) -> list[tuple[str, bool]]:
    """Return (text, whether it is a target) up to the end of the last target turn of the view `name`.

    Empty where it has none. The text is what `agent.prompting.encoding.encode` turns into tokens, mask and
    all.
    """
    roles = view_roles(name)
    parts: list[tuple[str, bool]] = []
    end = 0
    for piece in segments(transcript):
        is_target = piece.role in roles
        parts += [(markers.header(piece.role), False), (piece.content + markers.close, is_target)]
        end = len(parts) if is_target else end
        parts.append((markers.after, False))
    return parts[:end]


def title(line: Line, row: Row, name: str, tokenize: Tokenize | None) -> str:
    """Return a heading with the place of a row, its id and, with a tokenizer, its number of tokens."""
    parts = [f"{line.path}, line {line.number}", row.id, row.source, row.split]
    if tokenize:
        encoded = encode(row.transcript, view_roles(name), tokenize)
        parts.append(f"{int(encoded.target_positions[-1]) + 1:,} tokens, {encoded.targets:,} targets")
    return f"== {' | '.join(parts)}".replace("\n", " ")


def paint(parts: Sequence[tuple[str, bool]], colour: bool) -> str:
    """Return the parts as one text: with `colour` the others dimmed, else the targets marked."""
    return "".join(
        (visible(text) if is_target else dim(visible(text)))
        if colour
        else (f"{OPEN}{visible(text)}{CLOSE}" if is_target else visible(text))
        for text, is_target in parts
    )
