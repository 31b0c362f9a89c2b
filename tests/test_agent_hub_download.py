"""Downloading a bundle's files: interrupted, resumed, damaged, or without space on the disk."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

import httpx2
import pytest
from full_disk import full_disk
from hub import REPO, Hub, made_bundle, repository_of
from hub_pulls import edit, large_requests, no_progress, refusal

from agent.bundle import load_bundle
from agent.bundle.download import rate
from agent.bundle.download.pull import pull
from agent.bundle.download.rate import RateWatch
from agent.bundle.store import find_bundle, list_bundles
from agent.errors import InputError, UmiError


def test_too_little_disk_space_is_reported_before_downloading(
    hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6, 500_000))
    line = refusal()
    assert "0.90 MB are to be downloaded" in line
    assert "has 0.50 MB free; make room" in line
    assert not large_requests(hub)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_retried(hub: Hub, ranges: bool) -> None:
    hub.ranges = ranges
    hub.cut["caller.gguf"] = [100_000, 90_000]
    pull(REPO, None, no_progress)
    starts = [r.headers.get("range") for r in hub.requests if r.large and r.path.endswith("caller.gguf")]
    assert len(starts) == 3
    assert starts[0] is None
    if ranges:
        assert [int(str(start)[6:-1]) for start in starts[1:]] == [100_000, 190_000]


def test_an_interrupted_pull_is_resumed(hub: Hub, models: Path) -> None:
    hub.cut["caller.gguf"] = [100_000, 0, 0, 0]
    line = refusal()
    assert "cannot be reached" in line
    assert "give the same command again; what was finished is kept" in line
    assert [row.name for row in list_bundles()] == ["umi-135m", "umi-mini"]
    with pytest.raises(InputError):
        find_bundle("small")
    hub.requests.clear()
    pull(REPO, None, no_progress)
    assert large_requests(hub) == ["caller.gguf", "summarizer.gguf"]
    assert [r.headers.get("range") for r in hub.requests if r.large] == ["bytes=100000-", None]
    assert [path.name for path in models.iterdir()] == ["small"]
    load_bundle(models / "small", verify=True)


def test_ctrl_c_keeps_the_bytes_downloaded_so_far(hub: Hub, models: Path) -> None:
    def stop(file: str, done: int, size: int) -> None:
        if file == "caller.gguf" and done > 50_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(REPO, None, stop)
    assert [row.name for row in list_bundles()] == ["umi-135m", "umi-mini"]
    hub.requests.clear()
    pull(REPO, None, no_progress)
    assert large_requests(hub) == ["caller.gguf", "summarizer.gguf"]
    start = hub.asked("caller.gguf")[-1].headers["range"]
    assert int(start.removeprefix("bytes=").removesuffix("-")) > 50_000


def test_partial_files_of_another_revision_are_not_used(hub: Hub, models: Path, tmp_path: Path) -> None:
    hub.cut["summarizer.gguf"] = [100_000, 0, 0, 0]
    refusal()
    made_bundle(tmp_path / "new" / "small", size=200_000)
    hub.repositories[REPO] = repository_of(tmp_path / "new" / "small")
    made = pull(REPO, None, no_progress)
    assert {file.size for file in made.files} == {200_000}
    assert len(list(made.folder.iterdir())) == 4


def test_a_file_with_the_wrong_hash_is_discarded(hub: Hub, models: Path) -> None:
    good = hub.repositories[REPO].files["caller.gguf"]
    hub.instead["caller.gguf"] = b"GGUF" + bytes(len(good) - 4)
    assert "caller.gguf is not the file its manifest describes" in refusal()
    assert [row.name for row in list_bundles()] == ["umi-135m", "umi-mini"]
    hub.instead.clear()
    pull(REPO, None, no_progress)
    assert (models / "small" / "caller.gguf").read_bytes() == good


def test_a_damaged_partial_file_is_discarded(hub: Hub, models: Path) -> None:
    hub.cut["planner.gguf"] = [100_000, 0, 0, 0]
    refusal()
    (partial,) = (models / ".small.part").iterdir()
    partial.write_bytes(b"x" * 100_000)
    assert "its sha256 is another; give the same command again" in refusal()
    pull(REPO, None, no_progress)


@pytest.mark.parametrize(("size", "message"), [(400_000, "more than 300,000"), (200_000, "200,000")])
def test_a_file_of_the_wrong_size_is_refused(hub: Hub, size: int, message: str) -> None:
    hub.instead["caller.gguf"] = b"GGUF" + bytes(size - 4)
    assert f"caller.gguf has {message} bytes on the hub, and its manifest says 300,000" in refusal()
    assert [row.name for row in list_bundles()] == ["umi-135m", "umi-mini"]


def test_a_file_that_is_no_gguf_is_refused(hub: Hub, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "small", tmp_path / "bad" / "small")
    files = hub.repositories[REPO].files
    files["caller.gguf"] = b"x" * 1000
    sha256 = hashlib.sha256(files["caller.gguf"]).hexdigest()
    edit(hub, lambda m: m["roles"]["caller"].update(size=1000, sha256=sha256))
    assert "caller.gguf is damaged: it is not a GGUF file" in refusal()
    assert [row.name for row in list_bundles()] == ["umi-135m", "umi-mini"]


def test_symlinks_in_the_partial_folder_are_not_followed(hub: Hub, models: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    part = models / ".small.part"
    part.mkdir(parents=True)
    manifest = json.loads(hub.repositories[REPO].files["bundle.json"])
    (part / f".{manifest['roles']['caller']['sha256']}").symlink_to(outside)
    (part / "planner.gguf").symlink_to(outside)
    (part / "bundle.json").symlink_to(outside)
    pull(REPO, None, no_progress)
    assert outside.read_text() == "mine"
    assert not any(path.is_symlink() for path in (models / "small").iterdir())


def test_two_pulls_of_one_name_exclude_each_other(hub: Hub, models: Path) -> None:
    part = models / ".small.part"
    part.mkdir(parents=True)
    descriptor = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert "small is being pulled by another umi" in refusal()
    finally:
        os.close(descriptor)
    pull(REPO, None, no_progress)


def test_an_unwritable_models_folder_is_reported(hub: Hub, umi_home: Path) -> None:
    umi_home.write_text("in the way")
    line = refusal()
    assert "cannot be written" in line
    assert "the same command again" in line


def test_a_full_disk_is_reported(hub: Hub) -> None:
    with full_disk(100_000), pytest.raises(UmiError, match=r"File too large.*the same command again"):
        pull(REPO, None, no_progress)
    assert [row.name for row in list_bundles()] == ["umi-135m", "umi-mini"]


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
    assert [row.name for row in list_bundles()] == ["umi-135m", "umi-mini"]
    hub.requests.clear()
    pull(REPO, None, no_progress)
    assert large_requests(hub) == ["caller.gguf", "summarizer.gguf"]
    load_bundle(models / "small", verify=True)


def test_a_rate_too_low_for_a_minute_ends_it_and_it_is_resumed(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:

        def slow_from_here(file: str, done: int, size: int) -> None:
            patched.setattr(rate, "WINDOW_S", 0.0)
            patched.setattr(rate, "LOW_BYTES_PER_S", 10**12)

        with pytest.raises(
            UmiError, match=r"stopped: .*give the same command again; what was finished is kept"
        ):
            pull(REPO, None, slow_from_here)
    hub.requests.clear()
    pull(REPO, None, no_progress)
    starts = [request.headers.get("range") for request in hub.requests if request.large]
    assert any(starts), "it went on where it stopped"


def test_only_a_whole_window_counts() -> None:
    times = [0.0]
    watch = RateWatch("downloading it", lambda: times[-1])
    for seconds, done in ((0.0, 5), (59.0, 5), (61.0, 70_000), (120.0, 70_000), (130.0, 3), (180.0, 3)):
        times.append(seconds)
        watch.check(done)
    times.append(191.0)
    with pytest.raises(UmiError, match="downloading it stopped: 1 bytes came in 61 seconds"):
        watch.check(4)
