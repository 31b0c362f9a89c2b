"""`umi train data show`: rows as the models read them, and which part of them is learnt."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.errors import InputError
from agent.extras import Parser, say
from agent.prompting import CHATML, Markers, Tokenize, segments
from agent.prompting.encoding import encode, view_roles
from agent.transcript import Row, Transcript
from agent.transcript.rows import Line, read_lines, row_files, row_of
from train.data.checks.lengths import open_tokenize
from train.data.terminal import dimmed, visible, wants_colour
from train.recipe import STAGES

OPEN, CLOSE = "«", "»"
"""What stands around learnt text where nothing can be dimmed."""


def show(argv: Sequence[str]) -> int:
    """Print rows as the models see them. What is not learnt is dimmed; without colour, what is learnt stands
    between « and ». Rows end where the last turn to learn ends, since nothing after it is read."""
    parser = Parser(prog="umi train data show", description=show.__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="rows, or a folder of them")
    parser.add_argument(
        "--role",
        choices=STAGES,
        default="backbone",
        help="whose turns are learnt (backbone: all three roles')",
    )
    parser.add_argument("--count", type=int, default=3, metavar="N", help="rows to print (default: 3)")
    parser.add_argument("--line", type=int, metavar="N", help="only the row in this line of a file")
    parser.add_argument(
        "--base", type=Path, metavar="FOLDER", help="a base model: count tokens with its tokenizer"
    )
    parser.add_argument("--color", choices=["auto", "always", "never"], default="auto")
    given = parser.parse_args(argv)
    if given.count < 1:
        raise InputError(f"--count is {given.count}", "give a number of at least 1")
    files = row_files(*given.files)
    tokenize = open_tokenize(given.base) if given.base else None
    colour = wants_colour(sys.stdout, given.color)
    shown = 0
    for line, row in chosen(files, given.line):
        parts = spans(row.transcript, given.role)
        if not parts:
            continue
        if not shown:
            say("what is learnt " + ("is not dimmed" if colour else f"stands between {OPEN} and {CLOSE}"))
        print(visible(title(line, row, given.role, tokenize)))
        print(painted(parts, colour), end="\n\n")
        shown += 1
        if shown == given.count:
            break
    if not shown:
        where = f"line {given.line} of {files[0]}" if given.line else "these rows"
        raise InputError(
            f"the {given.role} has nothing to learn in {where}", "name other rows or another --role"
        )
    return 0


def chosen(files: Sequence[Path], number: int | None) -> Iterator[tuple[Line, Row]]:
    """All rows, or the one in line `number` of the only file. Raises InputError where there is none."""
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


def spans(transcript: Transcript, name: str, markers: Markers = CHATML) -> list[tuple[str, bool]]:
    """(text, whether it is learnt) up to the end of the last turn that the view `name` learns.

    Empty where it learns none. The text is what `agent.prompting.encoding.encode` turns into tokens, mask and all.
    """
    roles = view_roles(name)
    parts: list[tuple[str, bool]] = []
    end = 0
    for piece in segments(transcript):
        learnt = piece.role in roles
        parts += [(markers.header(piece.role), False), (piece.content + markers.close, learnt)]
        end = len(parts) if learnt else end
        parts.append((markers.after, False))
    return parts[:end]


def title(line: Line, row: Row, name: str, tokenize: Tokenize | None) -> str:
    """A line that tells where a row stands and, with a tokenizer, how many tokens it has."""
    told = [f"{line.path}, line {line.number}", row.id, row.source, row.split]
    if tokenize:
        encoded = encode(row.transcript, view_roles(name), tokenize)
        told.append(f"{int(encoded.learnt_positions[-1]) + 1:,} tokens, {encoded.targets:,} learnt")
    return f"== {' | '.join(told)}".replace("\n", " ")


def painted(parts: Sequence[tuple[str, bool]], colour: bool) -> str:
    """The parts in one text, dimmed or marked."""
    return "".join(
        (visible(text) if learnt else dimmed(visible(text)))
        if colour
        else (f"{OPEN}{visible(text)}{CLOSE}" if learnt else visible(text))
        for text, learnt in parts
    )
