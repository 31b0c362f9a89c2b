"""Odd values and odd files in the place of the config file, manifests, notes and recipes: one clear line."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomlkit
from hostile_manifests import ODD_FILES, hostile_texts
from tiny_gguf import write_tiny_bundle

from agent.bundle import load_bundle, store
from agent.bundle.download.bases import find_base
from agent.config import engine_settings, set_value
from agent.errors import UmiError
from agent.llama.binding.measured import remembered_threads
from agent.llama.gguf.header import read_header
from agent.llama.prompt_cache import PromptCache
from agent.loop import Conversation
from agent.paths import bases_folder, cache_folder, config_path, notes_path, parse_json, sessions_path
from agent.sessions import SessionStore, SessionWriter
from agent.tools.lib.note_store import append_note, read_notes
from agent.transcript import Transcript
from agent.transcript.rows import read_rows
from train.recipe import load_recipe

THOROUGH = bool(os.environ.get("UMI_HOSTILE"))
"""Whether every odd value is tried, not one in eight."""


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """End a test that hangs: a signal's exception reaches a read that waits."""

    def hangs(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(120 if THOROUGH else 30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refusal(read: Callable[[], object]) -> str:
    """Return the message with which `read` refuses; empty where it does not. Other exceptions pass."""
    message = ""
    try:
        read()
    except UmiError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 1000
    return message


def some(texts: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    listed = list(texts)
    return listed if THOROUGH else random.Random(1).sample(listed, len(listed) // 8)


def test_odd_manifests_are_one_line(models: Path) -> None:
    folder = models / "tiny"
    write_tiny_bundle(folder)
    path = folder / "bundle.json"
    texts = some(hostile_texts(json.loads(path.read_text(encoding="utf-8"))))
    refused = 0
    for _, text in texts:
        path.write_text(text, encoding="utf-8")
        refused += bool(refusal(lambda: load_bundle(folder)))
        assert not refusal(store.list_bundles)
    assert refused > len(texts) // 2


def test_odd_settings_are_one_line() -> None:
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"models": "x", "engine": {"threads": 1, "cache": "f16", "disk": True}}
    for _, text in some(hostile_texts(whole)):
        path.write_text(_as_toml(text), encoding="utf-8")
        refusal(engine_settings)
        refusal(store.selected_bundle)
        refusal(lambda: set_value("models", "umi-mini"))


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 5000, "nan", "1e400", '"\\ud800"', "\0"])
def test_odd_toml_in_the_settings_is_one_line(text: str) -> None:
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[engine]\nthreads = {text}\n", encoding="utf-8")
    assert refusal(engine_settings)


def _as_toml(text: str) -> str:
    """Return a JSON text as TOML, as far as its value has a form in TOML; else as it is."""
    try:
        return tomlkit.dumps(json.loads(text))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return text


def readers(folder: Path, kind: str) -> list[tuple[Path, Callable[[], object], bool]]:
    """Return each file that is read, what reads it, and whether it is refused where it is odd."""
    rows, recipe, gguf = folder / "rows.jsonl", folder / "recipe.toml", folder / "m.gguf"
    bundle, base = folder / "bundle", bases_folder() / "x" / "base.json"
    state, threads = cache_folder() / "states" / "a.state", cache_folder() / "measured.json"
    return [
        (config_path(), engine_settings, kind != "nothing in it"),
        (bundle / "bundle.json", lambda: load_bundle(bundle), True),
        (base, lambda: find_base("x"), True),
        (sessions_path(), lambda: SessionStore.open().close(), False),  # an empty file is a new one
        (recipe, lambda: load_recipe(recipe), True),
        (gguf, lambda: read_header(gguf), True),
        (rows, lambda: list(read_rows(rows)), False),  # an empty file has no rows
        (notes_path(), lambda: read_notes(notes_path()), False),  # damaged lines are passed over
        (notes_path(), lambda: append_note(notes_path(), "a", "here"), False),
        (threads, lambda: remembered_threads("model", lambda count: None), False),
        (state, lambda: PromptCache().get("a"), False),
    ]


@pytest.mark.parametrize("kind", ODD_FILES)
def test_odd_files_are_one_line(kind: str, tmp_path: Path) -> None:
    for path, read, refused in readers(tmp_path, kind):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            ODD_FILES[kind](path)
        message = refusal(read)
        assert bool(message) >= (refused and kind != "a link to nowhere"), path
    refusal(lambda: set_value("models", "umi-mini"))


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", "1e999", "9" * 5000, "[" * 100_000, '"\\ud800"', "{'a': 1}", "", "\0", b"\xff"],
)
def test_what_json_does_not_know_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (json's own messages, and ours)
        parse_json(text)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_files_of_the_user_are_readable_by_their_owner_alone(umask: int, umi_home: Path) -> None:
    before = os.umask(umask)
    try:
        set_value("models", "umi-mini")
        append_note(notes_path(), "a note", "here")
        with SessionStore.open() as store:
            conversation = Conversation(Transcript())
            SessionWriter.begin(store, Path("/"), "umi-mini").question("hello", conversation)
        remembered_threads("model", lambda count: None)
        PromptCache().put("a", b"state")
    finally:
        os.umask(before)
    made = list(umi_home.rglob("*"))
    assert {path.name for path in made if path.is_file()} >= {"config.toml", "notes.jsonl", "measured.json"}
    for path in (umi_home, *made):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
