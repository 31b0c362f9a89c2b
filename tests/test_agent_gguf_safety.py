"""Damaged and forged GGUF files: each is refused in one line, or loads and computes; llama.cpp never aborts."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest
from hostile_gguf import hostile_files, load_in_forks
from tiny_gguf import write_tiny_gguf

from agent.errors import BundleError
from agent.llama.gguf.header import TYPES
from agent.llama.gguf.rules import require_sound_model


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every hostile file by name."""
    return dict(hostile_files(write_tiny_gguf(tmp_path_factory.mktemp("whole") / "whole.gguf")))


def test_hostile_files_are_refused_in_one_line_or_load(hostile: dict[str, bytes], tmp_path: Path) -> None:
    passed: dict[str, bytes] = {}
    path = tmp_path / "m.gguf"
    for name, content in hostile.items():
        path.write_bytes(content)
        try:
            require_sound_model(path, "take another")
        except BundleError as error:
            assert "\n" not in str(error), name
            assert len(str(error)) < 300, name
        else:
            passed[name] = content
    assert len(hostile) >= 100
    assert len(hostile) - len(passed) >= 100, "the header alone tells"
    outcomes = load_in_forks(passed, tmp_path / "passed")
    assert not {name: text for name, text in outcomes.items() if text.startswith(("died", "raised"))}
    assert not [text for text in outcomes.values() if "\n" in text]


def test_a_whole_file_passes(tmp_path: Path) -> None:
    require_sound_model(write_tiny_gguf(tmp_path / "m.gguf", chat_template="{{ messages }}"))


def test_sizes_of_tensor_types_are_ggmls() -> None:
    assert {int(kind): tuple(sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()} == dict(TYPES)
