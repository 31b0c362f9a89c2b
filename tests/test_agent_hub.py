"""Bundles from a stand-in of the hub: whole, gone on with, or refused in one line in time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from full_disk import full_disk
from hub import REPO, TOKEN, Hub, Repository, made_bundle, repository_of
from huggingface_hub import constants

import agent.bundle.hub
import agent.bundle.pull
from agent.bundle import FORMAT, load_bundle
from agent.bundle.hub import parse_repository, upload
from agent.bundle.pull import pull
from agent.bundle.store import find_bundle, list_bundles
from agent.errors import InputError, UmiError
from agent.prompting import PROMPT_VERSION

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def models(umi_home: Path) -> Path:
    return umi_home / "models"


def quiet(file: str, done: int, size: int) -> None:
    """Hear nothing of the progress."""


def refusal(repository: str = REPO, name: str | None = None) -> str:
    """The one line of a pull that must fail."""
    with pytest.raises(UmiError) as caught:
        pull(repository, name, quiet)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(hub: Hub, change: Edit) -> None:
    """Change the manifest on the hub."""
    files = hub.repositories[REPO].files
    manifest = json.loads(files["bundle.json"])
    change(manifest)
    files["bundle.json"] = json.dumps(manifest).encode()


def large_requests(hub: Hub) -> list[str]:
    return [request.path.split("/")[-1] for request in hub.requests if request.large]


def test_a_bundle_is_whole_and_has_a_name(hub: Hub, models: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    made = pull(REPO, None, lambda *step: told.append(step))
    assert made == load_bundle(find_bundle("small"), verify=True)
    assert made.folder == models / "small"
    for path in (tmp_path / "small").iterdir():
        assert (made.folder / path.name).read_bytes() == path.read_bytes()
    assert [path.name for path in models.iterdir()] == ["small"]
    assert [row.name for row in list_bundles()] == ["umi-mini", "small"]
    assert [(file, size) for file, done, size in told if done == size] == [
        (file.file, file.size) for file in made.files
    ]
    for file, done, size in told:
        assert 0 < done <= size, file


def test_only_what_the_manifest_names_is_read(hub: Hub, models: Path) -> None:
    hub.repositories[REPO].files |= {"other.gguf": b"GGUF" * 10, "README.md": b"# Small"}
    pull(REPO, "mine", quiet)
    assert {path.name for path in (models / "mine").iterdir()} == {
        *("bundle.json", "planner.gguf", "caller.gguf", "summarizer.gguf")
    }
    assert not hub.asked("other.gguf")
    assert not hub.asked("README.md")


def test_a_commit_is_a_revision(hub: Hub) -> None:
    assert pull(f"{REPO}@{hub.repositories[REPO].commit}", None, quiet).name == "small"
    assert "someone/small has no revision v9" in refusal(f"{REPO}@v9", "other")


@pytest.mark.parametrize("text", ["small", "a/b/c", "a/b@", "/b", "a/", "a b/c", "https://hub/a/b", "ä/b"])
def test_what_is_no_repository(text: str) -> None:
    with pytest.raises(InputError, match="give it as OWNER/NAME"):
        parse_repository(text)


@pytest.mark.parametrize("repo", ["../small", "a/..", "a/b.git", "-a/b"])
def test_a_name_that_the_hub_does_not_have_is_not_asked_for(hub: Hub, repo: str) -> None:
    assert repo in refusal(repo, "mine")
    assert not hub.requests


@pytest.mark.parametrize("name", ["../mine", "/mine", ".mine", "-mine", "a/b", "mi\x1bne", "mi\nne", ".."])
def test_a_name_that_is_no_folder_among_the_models(hub: Hub, models: Path, name: str) -> None:
    assert "is no name for models" in refusal(REPO, name)
    assert not hub.requests
    assert not models.exists()


def test_a_taken_name_is_refused_before_the_hub_is_asked(hub: Hub, models: Path) -> None:
    assert "umi-mini already; give another name with --name" in refusal(REPO, "umi-mini")
    models.mkdir(parents=True)
    (models / "small").symlink_to(models / "nowhere")
    assert "there are models named small already; umi models remove small, or" in refusal()
    assert not hub.requests


@pytest.mark.parametrize(
    ("change", "said"),
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
        (lambda m: m["roles"]["caller"].update(file=".hidden.gguf"), "is no name of a model file"),
        (
            lambda m: m["roles"]["caller"].update(file="a\x1b[2J.gguf"),
            r"'a\x1b[2J.gguf' is no name of a model",
        ),
        (lambda m: m["roles"]["caller"].update(file="bundle.json"), "is no name of a model file"),
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
def test_a_manifest_that_will_not_do_is_refused_before_any_large_file(
    hub: Hub, models: Path, change: Edit, said: str
) -> None:
    edit(hub, change)
    line = refusal()
    assert said in line
    assert REPO in line or "small" in line
    assert not large_requests(hub)
    assert not models.exists()


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"format": ' + b"9" * 5000 + b"}", b"null"]
)
def test_a_manifest_that_is_no_json(hub: Hub, models: Path, text: bytes) -> None:
    hub.repositories[REPO].files["bundle.json"] = text
    assert "small/bundle.json is damaged" in refusal()
    assert not models.exists()


def test_a_manifest_without_end_is_not_read_to_its_end(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.bundle.pull, "MAX_MANIFEST_SIZE", 100_000)
    hub.instead["bundle.json"] = b" " * 5_000_000
    assert "bundle.json has more than 100,000 bytes" in refusal()


def test_more_than_the_disk_holds(hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6, 500_000))
    line = refusal()
    assert "0.90 MB are to be downloaded" in line
    assert "has 0.50 MB free; make room" in line
    assert not large_requests(hub)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_made_again(hub: Hub, ranges: bool) -> None:
    hub.ranges = ranges
    hub.cut["caller.gguf"] = [100_000, 90_000]
    pull(REPO, None, quiet)
    starts = [r.headers.get("range") for r in hub.requests if r.large and r.path.endswith("caller.gguf")]
    assert len(starts) == 3
    assert starts[0] is None
    if ranges:
        assert [int(str(start)[6:-1]) for start in starts[1:]] == [100_000, 190_000]


def test_a_stopped_pull_goes_on_where_it_was(hub: Hub, models: Path) -> None:
    hub.cut["caller.gguf"] = [100_000, 0, 0, 0]
    line = refusal()
    assert "cannot be reached" in line
    assert "give the same command again; what was finished is kept" in line
    assert [row.name for row in list_bundles()] == ["umi-mini"]
    with pytest.raises(InputError):
        find_bundle("small")
    hub.requests.clear()
    pull(REPO, None, quiet)
    assert large_requests(hub) == ["caller.gguf", "summarizer.gguf"]
    assert [r.headers.get("range") for r in hub.requests if r.large] == ["bytes=100000-", None]
    assert [path.name for path in models.iterdir()] == ["small"]
    load_bundle(models / "small", verify=True)


def test_ctrl_c_keeps_what_came(hub: Hub, models: Path) -> None:
    def stop(file: str, done: int, size: int) -> None:
        if file == "caller.gguf" and done > 50_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(REPO, None, stop)
    assert [row.name for row in list_bundles()] == ["umi-mini"]
    hub.requests.clear()
    pull(REPO, None, quiet)
    assert large_requests(hub) == ["caller.gguf", "summarizer.gguf"]
    start = hub.asked("caller.gguf")[-1].headers["range"]
    assert int(start.removeprefix("bytes=").removesuffix("-")) > 50_000


def test_what_was_begun_of_another_revision_is_not_mixed_in(hub: Hub, models: Path, tmp_path: Path) -> None:
    hub.cut["summarizer.gguf"] = [100_000, 0, 0, 0]
    refusal()
    made_bundle(tmp_path / "new" / "small", size=200_000)
    hub.repositories[REPO] = repository_of(tmp_path / "new" / "small")
    made = pull(REPO, None, quiet)
    assert {file.size for file in made.files} == {200_000}
    assert len(list(made.folder.iterdir())) == 4


def test_a_file_of_other_bytes_is_thrown_away(hub: Hub, models: Path) -> None:
    good = hub.repositories[REPO].files["caller.gguf"]
    hub.instead["caller.gguf"] = b"GGUF" + bytes(len(good) - 4)
    assert "caller.gguf is not the file its manifest describes" in refusal()
    assert [row.name for row in list_bundles()] == ["umi-mini"]
    hub.instead.clear()
    pull(REPO, None, quiet)
    assert (models / "small" / "caller.gguf").read_bytes() == good


def test_a_damaged_part_does_not_survive(hub: Hub, models: Path) -> None:
    hub.cut["planner.gguf"] = [100_000, 0, 0, 0]
    refusal()
    (partial,) = (models / ".small.part").iterdir()
    partial.write_bytes(b"x" * 100_000)
    assert "its sha256 is another; give the same command again" in refusal()
    pull(REPO, None, quiet)


@pytest.mark.parametrize(("size", "said"), [(400_000, "more than 300,000"), (200_000, "200,000")])
def test_a_file_of_another_length(hub: Hub, size: int, said: str) -> None:
    hub.instead["caller.gguf"] = b"GGUF" + bytes(size - 4)
    assert f"caller.gguf has {said} bytes on the hub, and its manifest says 300,000" in refusal()
    assert [row.name for row in list_bundles()] == ["umi-mini"]


def test_a_file_that_is_no_gguf(hub: Hub, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "small", tmp_path / "bad" / "small")
    files = hub.repositories[REPO].files
    files["caller.gguf"] = b"x" * 1000
    sha256 = hashlib.sha256(files["caller.gguf"]).hexdigest()
    edit(hub, lambda m: m["roles"]["caller"].update(size=1000, sha256=sha256))
    assert "caller.gguf is damaged: it is not a GGUF file" in refusal()
    assert [row.name for row in list_bundles()] == ["umi-mini"]


def test_links_in_the_part_folder_are_not_written_through(hub: Hub, models: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    part = models / ".small.part"
    part.mkdir(parents=True)
    manifest = json.loads(hub.repositories[REPO].files["bundle.json"])
    (part / f".{manifest['roles']['caller']['sha256']}").symlink_to(outside)
    (part / "planner.gguf").symlink_to(outside)
    (part / "bundle.json").symlink_to(outside)
    pull(REPO, None, quiet)
    assert outside.read_text() == "mine"
    assert not any(path.is_symlink() for path in (models / "small").iterdir())


def test_two_at_once(hub: Hub, models: Path) -> None:
    part = models / ".small.part"
    part.mkdir(parents=True)
    descriptor = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert "small is being pulled by another umi" in refusal()
    finally:
        os.close(descriptor)
    pull(REPO, None, quiet)


def test_models_that_cannot_be_written(hub: Hub, umi_home: Path) -> None:
    umi_home.write_text("in the way")
    line = refusal()
    assert "cannot be written" in line
    assert "the same command again" in line


@pytest.mark.parametrize(
    ("files", "said"),
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
def test_a_repository_that_is_no_bundle_says_what_it_is(hub: Hub, files: dict[str, bytes], said: str) -> None:
    hub.repositories["someone/else"] = Repository(files)
    line = refusal("someone/else")
    assert "someone/else has no bundle.json" in line
    assert said in line


def test_a_private_repository_needs_a_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repositories[REPO].private = True
    assert "is not there, or it is private; check the name; for a private one: hf auth login" in refusal()
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    assert "your token does not open it; check the name, or log in with another token" in refusal()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    pull(REPO, None, quiet)
    assert not any("authorization" in request.headers for request in hub.requests if request.large)


def test_a_gated_repository(hub: Hub) -> None:
    hub.repositories[REPO].gated = True
    assert f"is gated; ask for access at {hub.address}/{REPO}" in refusal()


@pytest.mark.parametrize(
    ("part", "status"),
    [
        ("/api/models", 500),
        ("/api/models", 429),
        ("bundle.json", 404),
        ("caller.gguf", 503),
        ("caller.gguf", 418),
    ],
)
def test_a_hub_in_trouble(hub: Hub, part: str, status: int) -> None:
    hub.statuses.append((part, status))
    assert f"the hub answered {status}; wait a little and give the same command again" in refusal()
    pull(REPO, None, quiet)


@pytest.mark.parametrize(
    "answer", [b"<html>log in to the hotel</html>", b"[]", b"{}", b'{"siblings": [1]}', b"\xff"]
)
def test_an_answer_that_is_not_the_hubs(hub: Hub, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub._Handler._send_info", lambda self, *_: self._answer(200, answer))
    assert f"looking at {REPO} failed" in refusal()


def test_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
    line = refusal()
    assert "http://127.0.0.1:9 cannot be reached" in line
    assert "check the connection" in line
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refusal()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", "http://[")
    refusal()


def test_a_full_disk(hub: Hub) -> None:
    with full_disk(100_000), pytest.raises(UmiError, match=r"File too large.*the same command again"):
        pull(REPO, None, quiet)
    assert [row.name for row in list_bundles()] == ["umi-mini"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        ValueError("a fault of the display"),
        RuntimeError("a fault of the display"),
        httpx2.ConnectError("a fault of the display"),
        InputError("a fault of the display", "mend it"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_of_the_progress_callback_passes_unchanged(
    hub: Hub, models: Path, error: Exception
) -> None:
    calls = 0

    def fail(file: str, done: int, size: int) -> None:
        nonlocal calls
        if file == "caller.gguf":
            calls += 1
            raise error

    with pytest.raises(type(error)) as caught:
        pull(REPO, None, fail)
    assert caught.value is error
    assert calls == 1
    assert [row.name for row in list_bundles()] == ["umi-mini"]
    hub.requests.clear()
    pull(REPO, None, quiet)
    assert large_requests(hub) == ["caller.gguf", "summarizer.gguf"]
    load_bundle(models / "small", verify=True)


def test_an_exception_of_the_upload_callback_passes_unchanged(hub: Hub, tmp_path: Path) -> None:
    error = OSError(28, "No space left on device")
    (tmp_path / "README.md").write_text("# Mine\n")

    def fail(text: str) -> None:
        raise error

    with pytest.raises(OSError, match="No space left on device") as caught:
        upload("someone/new", {"README.md": tmp_path / "README.md"}, private=False, say=fail)
    assert caught.value is error
    assert not hub.requests
