"""Lines of tables: where a comma separates two cells, although it could be part of a number."""

from __future__ import annotations

from collections.abc import Iterator


def lines_with_cells(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines of `text`, each with whether it is a row of a table: 58,720 is two numbers there.

    It is one below a header, the last line before it without a digit, that has as many commas.
    """
    header = 0
    for line in text.splitlines():
        commas = line.count(",")
        is_header = not any(letter.isdigit() for letter in line)
        yield line, 0 < commas == header and not is_header
        if is_header:
            header = commas
