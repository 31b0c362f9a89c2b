"""The config file `config.toml`: read as plain values, and changed with its comments and order kept."""

from __future__ import annotations

import tomllib
from typing import Any

from agent.errors import InputError, cannot_write
from agent.paths import config_path, read_file, write_private

MAX_BYTES = 1 << 20
"""Of the file; every setting and a hundred templates take 100 kB."""
_HEADER = "# The settings of umi. `umi config show` lists them all; comments here are kept.\n\n"


def read_values() -> dict[str, Any]:
    """Return what the file holds; empty where there is none. Raise InputError where it is damaged."""
    text = _text()
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of more than 4,300 digits, a plain ValueError
        reason = str(error).partition(";")[0]
        raise InputError(
            f"{config_path()} is damaged: {reason}", "mend that line, or remove the file"
        ) from None


def write_value(name: str, value: Any) -> None:
    """Set the value of a dotted name, or remove it where `value` is None, and leave all else as it is.

    Raise InputError where the file is damaged or cannot be written.
    """
    import tomlkit

    read_values()
    document = tomlkit.parse(_text() or _HEADER)
    *tables, key = name.split(".", 1)
    place: Any = document
    for table in tables:
        if not isinstance(place.get(table), dict):
            if value is None:
                return
            place[table] = tomlkit.table()
        place = place[table]
    if value is None:
        place.pop(key, None)
    else:
        place[key] = value
    try:
        write_private(config_path(), tomlkit.dumps(document))
    except OSError as error:
        raise cannot_write(config_path(), error) from None


def _text() -> str:
    path = config_path()
    try:
        return read_file(path, MAX_BYTES).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "make it a readable file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is damaged: it is not UTF-8", "mend it, or remove the file") from None
