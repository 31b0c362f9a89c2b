"""A bundle is read whole or refused in one line that names the thing and the next step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import agent.bundle.bundle
import agent.bundle.manifest
from agent.bundle import Bundle, Sampling, load_bundle, write_bundle
from agent.errors import BundleError
from agent.prompting import PROMPT_VERSION, Markers
from agent.transcript import ROLES


@pytest.fixture
def folder(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle.folder, tmp_path / "copy"))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "bundle.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def refusal(folder: Path, *, verify: bool = False) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder, verify=verify)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_written_bundle_loads_unchanged(folder: Path) -> None:
    written = write_bundle(
        folder,
        name="mine",
        context_length=512,
        files=dict.fromkeys(ROLES, "caller.gguf"),
        sampling={"summarizer": Sampling(0.5, 0.9, 99, 7)},
        grounded=["summarizer"],
        markers=Markers(after=""),
        license="MIT",
        recipe={"seed": 1},
        metrics={"plan": 0.5},
    )
    loaded = load_bundle(folder, verify=True)
    assert loaded == written
    assert loaded.prompt_version == PROMPT_VERSION
    assert loaded.roles["summarizer"].sampling == Sampling(0.5, 0.9, 99, 7)
    assert [loaded.roles[role].grounded for role in ROLES] == [False, False, True]
    assert loaded.path("planner") == folder / "caller.gguf"
    assert (loaded.license, loaded.recipe, loaded.metrics) == ("MIT", {"seed": 1}, {"plan": 0.5})


def test_a_missing_folder_or_one_without_a_bundle_is_refused(folder: Path, tmp_path: Path) -> None:
    assert "nowhere does not exist" in refusal(tmp_path / "nowhere")
    assert "caller.gguf is a file, not a folder" in refusal(folder / "caller.gguf")
    (tmp_path / "empty").mkdir()
    assert "has no bundle.json" in refusal(tmp_path / "empty")


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_damaged_manifest(folder: Path, text: str) -> None:
    (folder / "bundle.json").write_text(text)
    assert "bundle.json is damaged" in refusal(folder)


def test_a_manifest_that_is_not_text(folder: Path) -> None:
    (folder / "bundle.json").write_bytes(b"\xff\xfe\x00")
    assert "bundle.json is damaged" in refusal(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 99, "format 99"),
        ("format", "1", "format is '1', not a whole number"),
        ("context_length", True, "context_length is True, not a whole number"),
        ("context_length", 0, "context_length is 0"),
        ("context_length", 255, "context_length is 255, not a whole number from 256 to"),
        ("context_length", 2**40, f"context_length is {2**40}"),
        ("dialect", "latin", "has the dialect latin, and this umi knows umi, chat"),
        ("layout", "round", "has the layout round"),
        ("layout", "shared", "a shared layout has one model and an adapter for each role"),
        ("layout", "single", "a single layout has one model"),
        ("prompt_version", PROMPT_VERSION + 1, f"prompt version {PROMPT_VERSION + 1}"),
        ("roles", {}, "roles.planner is missing"),
        ("markers", {"open": "<s>"}, "markers.middle is missing"),
    ],
)
def test_a_manifest_with_an_invalid_field_is_refused(
    folder: Path, key: str, value: object, message: str
) -> None:
    edit(folder, lambda manifest: manifest.update({key: value}))
    assert message in refusal(folder)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("sampling", {"top_p": 1.0}, "roles.caller.sampling.temperature is missing"),
        ("sampling", 3, "roles.caller.sampling is 3, not an object"),
        (
            "sampling",
            {"temperature": -1, "top_p": 1, "max_tokens": 9},
            "roles.caller.sampling.temperature is -1, not a number of at least 0",
        ),
        (
            "sampling",
            {"temperature": 0, "top_p": 1, "max_tokens": True},
            "roles.caller.sampling.max_tokens is True, not a whole number",
        ),
        ("size", "7", "roles.caller.size is '7', not a whole number"),
        ("sha256", None, "roles.caller.sha256 is None, not text"),
        ("grounded", 1, "roles.caller.grounded is 1, not true or false"),
        ("adapter", 3, "roles.caller.adapter is 3, not an object"),
        ("adapter", {"file": "a.gguf", "size": 1}, "roles.caller.adapter.sha256 is missing"),
        ("adapter", {"file": "a.gguf", "size": 1, "sha256": "0"}, "a merged layout has no adapters"),
    ],
)
def test_a_wrong_field_of_a_role_is_named(folder: Path, field: str, value: object, message: str) -> None:
    edit(folder, lambda manifest: manifest["roles"]["caller"].update({field: value}))
    assert message in refusal(folder)


def test_a_role_needs_sampling_parameters(folder: Path) -> None:
    edit(folder, lambda manifest: manifest["roles"]["caller"].pop("sampling"))
    assert "roles.caller.sampling is missing" in refusal(folder)


def test_unknown_fields_of_a_manifest_are_ignored(folder: Path) -> None:
    edit(folder, lambda manifest: manifest.update(colour="red", folder="/etc"))
    edit(folder, lambda manifest: manifest["roles"].update(critic={"file": 3}))
    assert load_bundle(folder).folder == folder


def test_another_prompt_version_is_refused_with_the_next_step(folder: Path) -> None:
    edit(folder, lambda manifest: manifest.update(prompt_version=0))
    message = refusal(folder)
    assert "umi export bundle" in message
    assert "umi models use umi-mini" in message


@pytest.mark.parametrize("name", ["../caller.gguf", "/etc/passwd", "", "..", "sub/x.gguf"])
def test_a_manifest_cannot_name_files_outside_its_folder(folder: Path, name: str) -> None:
    edit(folder, lambda manifest: manifest["roles"]["caller"].update(file=name))
    assert "roles.caller.file" in refusal(folder)


def test_a_missing_model(folder: Path) -> None:
    (folder / "summarizer.gguf").unlink()
    assert "summarizer.gguf is missing" in refusal(folder)


def test_a_truncated_model_is_named_with_both_sizes(folder: Path) -> None:
    path = folder / "caller.gguf"
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[:1000])
    message = refusal(folder)
    assert f"{path} is truncated: 1000 bytes, and {whole} were written" in message


def test_a_model_that_is_no_gguf(folder: Path) -> None:
    path = folder / "caller.gguf"
    path.write_bytes(b"\x00" * path.stat().st_size)
    assert "not a GGUF file" in refusal(folder)


def test_a_changed_byte_is_detected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "planner.gguf"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    assert "planner.gguf is damaged: its sha256" in refusal(folder)
    # A large file is hashed only on demand.
    monkeypatch.setattr(agent.bundle.bundle, "ALWAYS_HASHED_BYTES", 1000)
    load_bundle(folder)
    assert "sha256" in refusal(folder, verify=True)


def test_roles_that_share_a_file_must_agree_on_its_hash(folder: Path) -> None:
    def share(manifest: dict[str, Any]) -> None:
        roles = manifest["roles"]
        roles["planner"] = roles["summarizer"] | {"sha256": "0" * 64}

    edit(folder, share)
    assert "summarizer.gguf is damaged: its sha256" in refusal(folder)


def test_a_damaged_shipped_bundle_needs_reinstalling(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.bundle.manifest, "SHIPPED", folder)
    (folder / "caller.gguf").unlink()
    assert "reinstall umi" in refusal(folder)


def test_a_manifest_is_not_written_over_a_bundle_with_a_missing_model(folder: Path) -> None:
    before = (folder / "bundle.json").read_text()
    files = {"planner": "planner.gguf", "caller": "nothing.gguf", "summarizer": "summarizer.gguf"}
    with pytest.raises(BundleError, match=r"nothing\.gguf"):
        write_bundle(folder, name="x", context_length=512, files=files)  # type: ignore[arg-type]
    assert (folder / "bundle.json").read_text() == before
    assert sorted(path.name for path in folder.iterdir()) == [
        "bundle.json",
        "caller.gguf",
        "planner.gguf",
        "summarizer.gguf",
    ]
