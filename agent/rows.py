"""Schema-1 rows read from disk: one JSON object a line, as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from agent.errors import InputError
from agent.transcript import Row, row_from_json


def read_rows(*paths: Path) -> Iterator[Row]:
    """The rows of `paths` in order. Raises InputError naming the file and line that cannot be used."""
    for path in paths:
        try:
            file = path.open(encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: {error.strerror}", "name a file of schema-1 rows"
            ) from None
        with file:
            number = 0
            try:
                for line in file:
                    number += 1
                    if line.strip():
                        yield _row(json.loads(line))
            except json.JSONDecodeError as error:
                raise InputError(f"{path}, line {number} is not JSON: {error}", "mend that line") from None
            except UnicodeDecodeError:
                raise InputError(f"{path}, line {number + 1} is not UTF-8", "write the file again") from None
            except ValueError as error:
                raise InputError(f"{path}, line {number}: {error}", "mend that line") from None


def _row(value: object) -> Row:
    if not isinstance(value, dict):
        raise ValueError("the line is not a JSON object")
    return row_from_json(value)
