"""Odd values for each field of a manifest, and odd files in the place of a text file."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ODD_VALUES: tuple[str, ...] = (
    *("null", "true", "0", "-1", "1e999", "NaN", "-Infinity", "1.5", "1" + "0" * 400, "1" + "0" * 5000),
    *('""', '"\\u0000"', '"\\ud800"', '"../x"', '"/etc/passwd"', '"."', '"a\\nb\\u001b[2J"'),
    '"' + "x" * 70_000 + '"',
    *("[]", "{}", "[[]]", "[" * 100_000 + "]" * 100_000, '{"a":' * 3000 + "1" + "}" * 3000),
)
"""JSON texts, some of which JSON does not know."""
_MARK = "a value that is replaced"


def hostile_texts(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and text of JSON objects in each of which one field of `value` is odd, missing, or twice."""
    for path in _paths(value):
        for number, odd in enumerate(ODD_VALUES):
            changed = copy.deepcopy(dict(value))
            _set(changed, path, _MARK)
            yield f"{'.'.join(path)} {number}", json.dumps(changed).replace(json.dumps(_MARK), odd)
    text = json.dumps(value)
    for odd in ODD_VALUES:
        yield f"all of it {odd[:20]}", odd
    yield "twice", text + text
    yield "cut", text[:-10]
    yield "a comment", text + "// end"
    yield "NUL behind it", text + "\0"


def _paths(value: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, part in value.items():
        yield (*above, key)
        if isinstance(part, Mapping):
            yield from _paths(part, (*above, key))


def _set(value: dict[str, Any], path: tuple[str, ...], new: object) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


def _link_to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


ODD_FILES: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a FIFO": os.mkfifo,
    "a device without an end": _link_to("/dev/zero"),
    "the null device": _link_to("/dev/null"),
    "a link to nowhere": _link_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "nothing in it": Path.touch,
    "no UTF-8": lambda path: path.write_bytes(b'{"a": "\xff\xfe"}'),
    "UTF-16": lambda path: path.write_text('{"a": 1}', encoding="utf-16"),
    "null bytes": lambda path: path.write_bytes(bytes(1000)),
    "a very large file": lambda path: (path.touch(), os.truncate(path, 1 << 40)),
    "nesting": lambda path: path.write_text("[" * 200_000),
    "a long number": lambda path: path.write_text("1" * 100_000),
}
"""What may lie where a text file is expected, by name; each is made at the given path."""
