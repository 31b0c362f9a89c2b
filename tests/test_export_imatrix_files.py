"""Importance matrices in files: llama.cpp's two formats, and files that are damaged."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imatrix_files import MEANS, write_gguf, write_legacy

from agent.errors import InputError
from export.quantize.imatrix import load


def test_both_forms_of_a_file_are_read(tmp_path: Path) -> None:
    old, new = load(write_legacy(tmp_path / "old.dat")), load(write_gguf(tmp_path / "new.gguf"))
    for made in (old, new):
        assert {name: list(values) for name, values in made.values.items()} == {
            name: list(np.array(values, np.float32)) for name, values in MEANS.items()
        }
    assert (old.source, old.tokens, old.rows) == ("old.dat (wiki.tx)", 0, 4)
    assert (new.source, new.tokens, new.rows) == ("new.gguf (wiki.txt)", 512, 7)
    uncounted = load(write_gguf(tmp_path / "zero.gguf", count=0.0))
    assert {float(value) for values in uncounted.values.values() for value in values} == {1.0}


@pytest.mark.parametrize("write", [write_legacy, write_gguf])
def test_a_damaged_file_is_one_line(write: Any, tmp_path: Path) -> None:
    whole = write(tmp_path / "whole").read_bytes()
    # A legacy file may end after its entries.
    entries = len(whole) - 23 if write is write_legacy else None
    for size in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:size])
        if size == entries or (write is write_gguf and not any(whole[size:])):
            continue
        with pytest.raises(
            InputError, match=r"cut (is not an importance matrix, or is damaged|cannot be read)"
        ):
            load(tmp_path / "cut")
    draw = random.Random(0)
    for _ in range(2000):
        damaged = bytearray(whole)
        at = draw.randrange(len(whole) - 8)
        damaged[at : at + draw.choice((1, 4, 8))] = draw.choice(
            (b"\xff\xff\xff\x7f", b"\xff" * 8, b"\0", b"\x80")
        )
        (tmp_path / "cut").write_bytes(damaged)
        try:
            made = load(tmp_path / "cut")
        except InputError:
            continue
        assert all(np.isfinite(values).all() and (values >= 0).all() for values in made.values.values())


def test_huge_declared_lengths_allocate_nothing(tmp_path: Path) -> None:
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + struct.pack("<Q", 1) + b"k"
    for content in (
        struct.pack("<ii", 1, 2**31 - 1),
        struct.pack("<ii", 2**31 - 1, -1),
        struct.pack("<ii1sii", 1, 1, b"n", 1, 2**31 - 1),
        b"GGUF" + struct.pack("<IQQ", 3, 2**63, 2**63),
        head + struct.pack("<IIQ", 9, 0, 2**62),
        head + struct.pack("<IIQ", 9, 8, 2**62),
        head + struct.pack("<IIQ", 9, 9, 2**62),
        head + struct.pack("<IQ", 8, 2**63),
    ):
        (tmp_path / "huge").write_bytes(content)
        with pytest.raises(InputError, match="huge is not an importance matrix"):
            load(tmp_path / "huge")
