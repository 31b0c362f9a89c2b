"""A bundle's manifest on the hub is checked before any model file is downloaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub import REPO, Hub, Repository
from hub_pulls import Edit, edit, large_requests, refusal

import agent.bundle.download.hub
import agent.bundle.download.pull
from agent.bundle import FORMAT
from agent.prompting import PROMPT_VERSION


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m.update(format=FORMAT + 1),
            f"has format {FORMAT + 1} and this umi reads format {FORMAT}",
        ),
        (
            lambda m: m.update(prompt_version=99),
            f"prompt version 99 and this umi speaks version {PROMPT_VERSION}",
        ),
        (lambda m: m.pop("roles"), "roles is missing"),
        (lambda m: m["roles"]["caller"].update(file="../../x.gguf"), "is not the name of a file beside it"),
        (lambda m: m["roles"]["caller"].update(file="/etc/passwd"), "is not the name of a file beside it"),
        (lambda m: m["roles"]["caller"].update(file=".."), "is not the name of a file beside it"),
        (lambda m: m["roles"]["caller"].update(file=".hidden.gguf"), "is not a name of a model file"),
        (
            lambda m: m["roles"]["caller"].update(file="a\x1b[2J.gguf"),
            r"'a\x1b[2J.gguf' is not a name of a model",
        ),
        (lambda m: m["roles"]["caller"].update(file="bundle.json"), "is not a name of a model file"),
        (
            lambda m: m["roles"]["caller"].update(file="planner.gguf"),
            "'planner.gguf' has two sizes or hashes",
        ),
        (lambda m: m["roles"]["caller"].update(file="gone.gguf"), "'gone.gguf' is not in the repository"),
        (lambda m: m["roles"]["caller"].update(size=-5), "has no size and sha256"),
        (lambda m: m["roles"]["caller"].update(sha256="../" * 21 + "a"), "has no size and sha256"),
        (lambda m: m["roles"]["caller"].update(size=7), "has 300,000 bytes there, and 7 by the manifest"),
    ],
)
def test_an_invalid_manifest_is_refused_before_any_large_file(
    hub: Hub, models: Path, change: Edit, message: str
) -> None:
    edit(hub, change)
    line = refusal()
    assert message in line
    assert REPO in line or "small" in line
    assert not large_requests(hub)
    assert not models.exists()


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"format": ' + b"9" * 5000 + b"}", b"null"]
)
def test_a_manifest_that_is_no_json_is_refused(hub: Hub, models: Path, text: bytes) -> None:
    hub.repositories[REPO].files["bundle.json"] = text
    assert "small/bundle.json is damaged" in refusal()
    assert not models.exists()


def test_a_manifest_larger_than_the_limit_is_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.bundle.download.pull, "MAX_MANIFEST_SIZE", 100_000)
    hub.instead["bundle.json"] = b" " * 5_000_000
    assert "bundle.json has more than 100,000 bytes" in refusal()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a-q4.gguf": b"GGUF", "b.GGUF": b"GGUF", "x.md": b""},
            "it holds 2 GGUF files: a-q4.gguf, b.GGUF; download",
        ),
        ({"a.gguf": b"GGUF"}, "make a bundle of it with umi models assemble"),
        ({"model.safetensors": b"x"}, "it holds 1 files: model.safetensors; name a repository that"),
        ({}, "it holds nothing"),
        ({f"{n}.gguf": b"" for n in range(9)}, "0.gguf, 1.gguf, 2.gguf, 3.gguf, 4.gguf, …; download"),
    ],
)
def test_the_error_for_a_repository_without_a_bundle_lists_its_files(
    hub: Hub, files: dict[str, bytes], message: str
) -> None:
    hub.repositories["someone/else"] = Repository(files)
    line = refusal("someone/else")
    assert "someone/else has no bundle.json" in line
    assert message in line
