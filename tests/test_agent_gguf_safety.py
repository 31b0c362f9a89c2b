"""Damaged and forged GGUF files: each is refused in one line, or loads; llama.cpp never aborts."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
from hostile_gguf import hostile_adapters, hostile_files
from load_forks import load_in_forks
from tiny_gguf import write_tiny_adapter, write_tiny_gguf

from agent.bundle import load_bundle
from agent.errors import BundleError
from agent.llama.gguf.header import TYPES
from agent.llama.gguf.rules import require_sound_adapter, require_sound_model
from agent.llama.gguf.trial import TrialLoad, require_loadable, trial_loads
from agent.paths import SHIPPED

THOROUGH = bool(os.environ.get("UMI_HOSTILE"))
"""Whether llama.cpp loads every file that passes, not one in four."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every hostile file by name."""
    return dict(hostile_files(write_tiny_gguf(tmp_path_factory.mktemp("whole") / "whole.gguf")))


def refusal(content: bytes, folder: Path, check: Callable[[Path, str], None]) -> str:
    """Return the message with which `check` refuses a file of this content; empty where it passes."""
    path = folder / "m.gguf"
    path.write_bytes(content)
    try:
        check(path, "take another")
    except BundleError as error:
        return str(error)
    return ""


def test_hostile_files_are_refused_in_one_line_or_load(hostile: dict[str, bytes], tmp_path: Path) -> None:
    refusals = {name: refusal(content, tmp_path, require_sound_model) for name, content in hostile.items()}
    assert len(hostile) >= 100
    assert sum(map(bool, refusals.values())) >= 100, "the header alone tells"
    assert not [text for text in refusals.values() if "\n" in text or len(text) > 300]
    passed = {name: hostile[name] for name, text in refusals.items() if not text}
    outcomes = load_in_forks(dict(list(passed.items())[:: 1 if THOROUGH else 4]), tmp_path / "passed")
    assert not {name: text for name, text in outcomes.items() if text.startswith(("died", "raised"))}
    assert not [text for text in outcomes.values() if "\n" in text]


def test_hostile_adapters_are_refused_in_one_line_or_load(tmp_path: Path) -> None:
    model = write_tiny_gguf(tmp_path / "model.gguf")
    hostile = dict(hostile_adapters(write_tiny_adapter(tmp_path / "adapter.gguf", [1, 2])))
    refusals = {name: refusal(content, tmp_path, require_sound_adapter) for name, content in hostile.items()}
    assert not [text for text in refusals.values() if "\n" in text or len(text) > 300]
    passed = {name: hostile[name] for name, text in refusals.items() if not text}
    outcomes = load_in_forks(passed, tmp_path / "passed", model=model)
    assert not {name: text for name, text in outcomes.items() if text.startswith(("died", "raised"))}


@pytest.mark.parametrize(("kind", "count"), [(8, 2**25), (0, 2**27), (0, 2**40), (8, 2**40)])
def test_a_long_list_in_a_file_of_holes_is_not_read(kind: int, count: int, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    key = b"tokenizer.ggml.tokens"
    start = b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, len(key)) + key + struct.pack("<IIQ", 9, kind, count)
    path.write_bytes(start)
    os.truncate(path, 2**42)
    with pytest.raises(BundleError, match=f"claims to hold {count}"):
        require_sound_model(path)


def test_a_whole_file_passes(tmp_path: Path) -> None:
    require_sound_model(write_tiny_gguf(tmp_path / "m.gguf", chat_template="{{ messages }}"))


def test_sizes_of_tensor_types_are_ggmls() -> None:
    assert {int(kind): tuple(sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()} == dict(TYPES)


def test_a_file_is_tried_once_in_a_child_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_tiny_gguf(tmp_path / "model.gguf")
    load = TrialLoad(model, (write_tiny_adapter(tmp_path / "adapter.gguf", [1, 2]),))
    require_loadable([load])
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/bin/false")
        require_loadable([load])
        model.write_bytes(model.read_bytes())
        with pytest.raises(BundleError, match=r"model\.gguf cannot be loaded: llama\.cpp ended with code 1"):
            require_loadable([load])
    os.utime(model, (0, 0))
    forged = dict(hostile_files(model))["block_count 513"]
    model.write_bytes(forged)
    with pytest.raises(BundleError, match=r"model\.gguf is damaged: qwen3\.block_count is 513; take another"):
        require_loadable([load], "take another")


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("kill -ABRT $$", "cannot be loaded: llama.cpp ended by SIGABRT"),
        ("kill -SEGV $$", "cannot be loaded: llama.cpp ended by SIGSEGV"),
        ("exec sleep 60", "was not loaded within 0 seconds"),
    ],
)
def test_a_child_that_dies_or_hangs_is_one_line(
    does: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    child.write_text(f'#!/bin/sh\necho \'{{"loading": "second.gguf"}}\'\n{does}\n')
    child.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(child))
    load = TrialLoad(write_tiny_gguf(tmp_path / "model.gguf"))
    for _ in range(2):  # what failed is not remembered
        with pytest.raises(BundleError, match=f"^second.gguf {says}; take another$"):
            require_loadable([load], "take another", limit_s=0.3)


def test_models_that_ship_with_umi_need_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    require_loadable(trial_loads(load_bundle(SHIPPED)))
