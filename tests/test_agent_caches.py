"""The prompt cache on disk, measured thread counts, and prompt lookup."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from engine_runs import QUESTION, run
from llama_cpp import llama_cpp as native

from agent.bundle import Bundle
from agent.config import EngineSettings, set_value
from agent.errors import EngineError
from agent.llama.binding.hardware import usable_cores
from agent.llama.binding.measured import (
    DecodeCost,
    candidates,
    fastest,
    remembered_decode_cost,
    remembered_threads,
)
from agent.llama.engine import LlamaEngine
from agent.llama.prompt_cache import PromptCache, PromptPrefixes, prompt_cache_key
from agent.machine_key import authentication_code, is_authentic, key_path
from agent.paths import cache_folder


def test_a_stored_state_is_loaded_again(tmp_path: Path) -> None:
    cache = PromptCache(tmp_path)
    assert cache.get("a") is None
    cache.put("a", b"state" * 100)
    assert cache.get("a") == b"state" * 100
    cache.drop("a")
    assert cache.get("a") is None


def test_the_least_recently_used_state_is_evicted_first(tmp_path: Path) -> None:
    folder = tmp_path / "states"
    cache = PromptCache(folder, max_bytes=1200)
    for at, key in enumerate("abcd"):
        cache.put(key, bytes(250))
        os.utime(folder / f"{key}.state", (at, at))
    assert cache.get("a") is not None  # and now it was used last
    cache.put("e", bytes(250))
    assert {path.stem for path in folder.iterdir()} == {"a", "c", "d", "e"}
    assert cache.usage() == (4, sum(path.stat().st_size for path in folder.iterdir()))


def test_a_state_larger_than_a_quarter_is_not_kept(tmp_path: Path) -> None:
    cache = PromptCache(tmp_path / "states", max_bytes=1200)
    cache.put("a", bytes(300))
    assert cache.usage() == (0, 0)
    cache.put("a", bytes(260))
    assert cache.get("a") == bytes(260)


def test_partial_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "states"
    folder.mkdir()
    old, new = folder / ".a.state.99", folder / ".b.state.100"
    for path in (old, new):
        path.write_bytes(bytes(10))
    os.utime(old, (0, time.time() - 7200))
    PromptCache(folder).put("c", b"state")
    assert {path.name for path in folder.iterdir()} == {".b.state.100", "c.state"}


def test_a_state_that_another_machine_wrote_or_that_was_renamed_is_not_read(tmp_path: Path) -> None:
    cache = PromptCache(tmp_path / "states")
    cache.put("a", b"state")
    file = tmp_path / "states" / "a.state"
    assert file.stat().st_mode & 0o777 == 0o600
    file.with_name("b.state").write_bytes(file.read_bytes())
    assert cache.get("b") is None
    assert not file.with_name("b.state").exists()
    file.write_bytes(hashlib.sha256(b"forged").digest() + b"forged")
    assert cache.get("a") is None
    cache.put("a", b"state")
    key_path().unlink()
    assert cache.get("a") is None


@pytest.mark.parametrize("damage", ["open to others", "short", "a link", "a folder"])
def test_a_key_that_is_not_a_secret_is_made_anew(damage: str) -> None:
    code = authentication_code("test", b"text")
    assert code is not None
    assert is_authentic(code, "test", b"text")
    assert not is_authentic(code, "test", b"te", b"xt")
    assert not is_authentic(code, "other", b"text")
    path = key_path()
    assert path.stat().st_mode & 0o777 == 0o600
    if damage == "open to others":
        path.chmod(0o644)
    elif damage == "short":
        path.write_bytes(bytes(3))
    elif damage == "a link":
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")
    else:
        path.unlink()
        path.mkdir()
    made = authentication_code("test", b"text")
    assert made != code
    assert (made is None) == (damage == "a folder"), "a folder in the way is the user's; nothing is kept then"


def test_a_state_whose_time_cannot_be_updated_is_still_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = PromptCache(tmp_path)
    cache.put("a", b"state")

    def refuses(*given: object) -> None:
        raise PermissionError(13, "not yours")

    monkeypatch.setattr(os, "utime", refuses)
    assert cache.get("a") == b"state"


def test_a_cache_folder_that_cannot_be_created_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = PromptCache(tmp_path / "file" / "states")
    cache.put("a", b"state")
    assert cache.get("a") is None


def test_keys_depend_on_everything_a_state_depends_on() -> None:
    keys = [
        prompt_cache_key("model", [1, 2], "f16", "auto"),
        prompt_cache_key("other", [1, 2], "f16", "auto"),
        prompt_cache_key("model", [1, 22], "f16", "auto"),
        prompt_cache_key("model", [12], "f16", "auto"),
        prompt_cache_key("model", [1, 2], "f32", "auto"),
        prompt_cache_key("model", [1, 2], "f16", "off"),
    ]
    assert len(set(keys)) == len(keys)
    assert prompt_cache_key("model", [1, 2], "f16", "auto") == keys[0]


def test_the_longest_beginning_of_a_prompt_is_found(tmp_path: Path) -> None:
    cache = PromptCache(tmp_path / "states")
    prefixes = PromptPrefixes(cache, "model", "f16")
    ids = list(range(100))
    for length in (10, 40, 70):
        prefixes.put(ids[:length], bytes([length]))
    prefixes.put([7] * 90, b"other tokens")
    PromptPrefixes(cache, "other model", "f16").put(ids, b"other model")
    PromptPrefixes(cache, "model", "f32").put(ids, b"other cache")
    assert prefixes.longest(ids, 1) == (70, bytes([70]))
    assert prefixes.longest(ids[:69], 1) == (40, bytes([40]))
    assert prefixes.longest(ids[:69], 41) is None
    assert prefixes.longest([*ids[:39], 7, *ids[40:]], 1) == (10, bytes([10]))
    prefixes.drop(ids[:70])
    assert not prefixes.has(ids[:70])
    (forged,) = (path for path in (tmp_path / "states").iterdir() if "-40-" in path.name)
    forged.write_bytes(bytes(100))
    assert prefixes.longest(ids, 1) == (10, bytes([10])), "a damaged one does not hide a shorter one"


def test_forged_states_are_dropped_or_passed_over(tmp_path: Path) -> None:
    """Of a right name: cut short, empty, of another model or tokens, no file at all; and of wrong names."""
    cache = PromptCache(folder := tmp_path / "states")
    prefixes, other = PromptPrefixes(cache, "model"), PromptPrefixes(cache, "another model")
    ids, state = list(range(20)), b"state" * 100
    prefixes.put(ids, state)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    other.put(ids, state)
    prefixes.put(ids[:10], state)
    others = [file.read_bytes() for file in folder.iterdir() if file != path]
    for content in (b"", whole[:20], whole[:32], whole[:-1], whole + b"x", bytes(len(whole)), *others):
        path.write_bytes(content)
        assert prefixes.longest(ids, 15) is None
        assert not path.exists()
    os.mkfifo(path)
    assert prefixes.longest(ids, 15) is None
    path.unlink()
    path.symlink_to("/dev/zero")
    assert prefixes.longest(ids, 15) is None
    path.unlink()
    path.mkdir()
    family = path.name.split("-")[0]
    for name in (f"{family}-", f"{family}--1-x", f"{family}-x-y", f"{family}-1_9-x", f"{family}-\u00b2-x"):
        (folder / f"{name}.state").write_bytes(whole)
    assert prefixes.longest(ids, 5) == (10, state)


def test_another_process_may_remove_states_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PromptCache(tmp_path / "states", max_bytes=400)
    cache.put("a", bytes(60))
    listed = Path.glob

    def removed(self: Path, pattern: str) -> list[Path]:
        found = list(listed(self, pattern))
        for path in found:
            path.unlink()
        return found

    monkeypatch.setattr(Path, "glob", removed)
    cache.put("b", bytes(60))
    monkeypatch.undo()
    assert list(cache.keys()) == ["b"]


def test_threads_are_measured_once() -> None:
    measured: list[int] = []
    first = remembered_threads("model", measured.append)
    again = remembered_threads("model", lambda _: pytest.fail("measured again"))
    assert first == again
    assert set(measured) == set(candidates(usable_cores()))
    (cache_folder() / "measured.json").write_text("{damaged")
    assert 1 <= remembered_threads("model", measured.append) <= usable_cores()


def test_what_decodes_cost_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def decode(tokens: int) -> None:
        nonlocal now
        now += {1: 2.0, 2: 5.0, 8: 8.0}[tokens]

    monkeypatch.setattr("agent.llama.binding.measured.perf_counter", lambda: now)
    cost = remembered_decode_cost("model", 2, decode)
    assert cost == DecodeCost(1.5, 0.25)
    assert [cost.of(tokens) for tokens in (1, 2, 4)] == [1, 2.5, 3.0]
    assert remembered_decode_cost("model", 2, lambda _: pytest.fail("measured again")) == cost
    before = now
    assert remembered_decode_cost("model", 1, decode) == cost
    assert now > before, "another number of threads was not measured yet"
    text = (cache_folder() / "measured.json").read_text()
    (cache_folder() / "measured.json").write_text(text.replace("1.5", '"x"'))
    assert remembered_decode_cost("model", 2, decode) == cost


def test_the_fastest_count_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def measure(count: int) -> None:
        nonlocal now
        now += {4: 3.0, 3: 1.0, 2: 2.0}[count]

    monkeypatch.setattr("agent.llama.binding.measured.perf_counter", lambda: now)
    assert fastest([4, 3, 2], measure) == 3


@pytest.mark.parametrize(("cores", "expected"), [(1, [1]), (2, [2, 1]), (8, [8, 7, 4, 2])])
def test_thread_counts_to_try(cores: int, expected: list[int]) -> None:
    assert candidates(cores) == expected


@pytest.mark.parametrize("value", ["auto", "default"])
def test_setting_threads_measures_them_again(value: str) -> None:
    measured: list[int] = []
    remembered_threads("model", lambda _: None)
    set_value("engine.cache", "f32")
    remembered_threads("model", measured.append)
    assert not measured
    set_value("engine.threads", value)
    remembered_threads("model", measured.append)
    assert measured


def test_a_state_after_which_computing_fails_is_dropped(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = EngineSettings(threads=1)
    with closing(LlamaEngine(tiny_bundle, settings, ["planner"])) as engine:
        run(engine, "planner", QUESTION)
    states = cache_folder() / "states"
    assert len(list(states.iterdir())) == 1
    with closing(LlamaEngine(tiny_bundle, settings, ["planner"])) as engine:
        with monkeypatch.context() as patched:
            patched.setattr(native, "llama_decode", lambda *_: -3)
            with pytest.raises(EngineError, match="failed to compute"):
                run(engine, "planner", QUESTION)
        assert not list(states.iterdir())
        assert run(engine, "planner", QUESTION).text


def test_a_state_that_llama_cpp_refuses_is_dropped(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(LlamaEngine(tiny_bundle, EngineSettings(threads=1), ["planner"])) as engine:
        text = run(engine, "planner", QUESTION).text
        (file,) = (cache_folder() / "states").iterdir()
        PromptCache().put(file.stem, b"no state of llama.cpp")
    with closing(LlamaEngine(tiny_bundle, EngineSettings(threads=1), ["planner"])) as engine:
        assert run(engine, "planner", QUESTION).text == text
    assert len(file.read_bytes()) > 1000, "it was computed and kept again"
