"""Pulling a bundle from a stand-in hub: names, revisions, access, and errors of the hub."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub import REPO, TOKEN, Hub
from hub_pulls import no_progress, refusal
from huggingface_hub import constants

from agent.bundle import load_bundle
from agent.bundle.download.hub import parse_repository, upload
from agent.bundle.download.pull import pull
from agent.bundle.store import find_bundle, list_bundles
from agent.errors import InputError


def test_a_pulled_bundle_is_complete_and_is_found_by_name(hub: Hub, models: Path, tmp_path: Path) -> None:
    progress: list[tuple[str, int, int]] = []
    made = pull(REPO, None, lambda *step: progress.append(step))
    assert made == load_bundle(find_bundle("small"), verify=True)
    assert made.folder == models / "small"
    for path in (tmp_path / "small").iterdir():
        assert (made.folder / path.name).read_bytes() == path.read_bytes()
    assert [path.name for path in models.iterdir()] == ["small"]
    assert [row.name for row in list_bundles()] == ["umi-135m", "umi-mini", "small"]
    assert [(file, size) for file, done, size in progress if done == size] == [
        (file.file, file.size) for file in made.files
    ]
    for file, done, size in progress:
        assert 0 < done <= size, file


def test_only_files_of_the_manifest_are_downloaded(hub: Hub, models: Path) -> None:
    hub.repositories[REPO].files |= {"other.gguf": b"GGUF" * 10, "README.md": b"# Small"}
    pull(REPO, "mine", no_progress)
    assert {path.name for path in (models / "mine").iterdir()} == {
        *("bundle.json", "planner.gguf", "caller.gguf", "summarizer.gguf")
    }
    assert not hub.asked("other.gguf")
    assert not hub.asked("README.md")


def test_a_commit_can_be_given_as_revision(hub: Hub) -> None:
    assert pull(f"{REPO}@{hub.repositories[REPO].commit}", None, no_progress).name == "small"
    assert "someone/small has no revision v9" in refusal(f"{REPO}@v9", "other")


@pytest.mark.parametrize("text", ["small", "a/b/c", "a/b@", "/b", "a/", "a b/c", "https://hub/a/b", "ä/b"])
def test_invalid_repository_names_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="give it as OWNER/NAME"):
        parse_repository(text)


@pytest.mark.parametrize("repo", ["../small", "a/..", "a/b.git", "-a/b"])
def test_names_that_the_hub_forbids_are_not_requested(hub: Hub, repo: str) -> None:
    assert repo in refusal(repo, "mine")
    assert not hub.requests


@pytest.mark.parametrize("name", ["../mine", "/mine", ".mine", "-mine", "a/b", "mi\x1bne", "mi\nne", ".."])
def test_names_that_are_no_folder_of_a_bundle_are_refused(hub: Hub, models: Path, name: str) -> None:
    assert "is not a name for models" in refusal(REPO, name)
    assert not hub.requests
    assert not models.exists()


def test_a_taken_name_is_refused_before_any_request(hub: Hub, models: Path) -> None:
    assert "umi-mini already; give another name with --name" in refusal(REPO, "umi-mini")
    models.mkdir(parents=True)
    (models / "small").symlink_to(models / "nowhere")
    assert "there are models named small already; umi models remove small, or" in refusal()
    assert not hub.requests


def test_a_private_repository_needs_a_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repositories[REPO].private = True
    assert "does not exist, or it is private; check the name; for a private one: hf auth login" in refusal()
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    assert "your token has no access to it; check the name, or log in with another token" in refusal()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    pull(REPO, None, no_progress)
    assert not any("authorization" in request.headers for request in hub.requests if request.large)


def test_a_gated_repository_is_refused_with_its_address(hub: Hub) -> None:
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
def test_an_error_status_of_the_hub_is_reported(hub: Hub, part: str, status: int) -> None:
    hub.statuses.append((part, status))
    assert f"the hub answered {status}; wait a little and give the same command again" in refusal()
    pull(REPO, None, no_progress)


@pytest.mark.parametrize(
    "answer", [b"<html>log in to the hotel</html>", b"[]", b"{}", b'{"siblings": [1]}', b"\xff"]
)
def test_an_invalid_response_is_reported(hub: Hub, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub._Handler._send_info", lambda self, *_: self._answer(200, answer))
    assert f"looking at {REPO} failed" in refusal()


def test_an_unreachable_hub_and_offline_mode_are_reported(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
    line = refusal()
    assert "http://127.0.0.1:9 cannot be reached" in line
    assert "check the connection" in line
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refusal()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", "http://[")
    refusal()


def test_an_exception_of_the_upload_callback_passes_unchanged(hub: Hub, tmp_path: Path) -> None:
    error = OSError(28, "No space left on device")
    (tmp_path / "README.md").write_text("# Mine\n")

    def fail(text: str) -> None:
        raise error

    with pytest.raises(OSError, match="No space left on device") as caught:
        upload("someone/new", {"README.md": tmp_path / "README.md"}, private=False, say=fail)
    assert caught.value is error
    assert not hub.requests
