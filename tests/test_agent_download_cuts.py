"""Downloads that are cut: what arrived is kept, the next pull goes on there, and the file is verified."""

from __future__ import annotations

import hashlib
import random
from functools import partial

import pytest
from hub import Hub, Repository

from agent.bundle.download.bases import base_folder, find_base, remove_base
from agent.bundle.download.catalogue import CataloguedBase, HubSource
from agent.bundle.download.pull_base import pull_base
from agent.errors import UmiError

DATA = random.Random(7).randbytes(400_000)
BASE = CataloguedBase(
    "cut-base",
    "Noise",
    "MIT",
    "Q8_0",
    1,
    "noise.gguf",
    len(DATA),
    tried=False,
    hub=HubSource("someone/noise"),
)


def remember(seen: list[int], file: str, done: int, size: int) -> None:
    """Keep the progress."""
    seen.append(done)


def test_downloads_cut_at_20_random_offsets_resume_and_verify(hub: Hub) -> None:
    hub.repositories["someone/noise"] = Repository({"noise.gguf": DATA})
    offsets = [1, len(DATA) - 1, *(random.Random(11).randrange(len(DATA)) for _ in range(18))]
    for offset in offsets:
        hub.requests.clear()
        hub.cut["noise.gguf"] = [offset, 0, 0, 0]
        with pytest.raises(UmiError, match="what was finished is kept"):
            pull_base(BASE, lambda file, done, size: None)
        assert not base_folder("cut-base").exists()
        seen: list[int] = []
        base, downloaded = pull_base(BASE, partial(remember, seen))
        assert downloaded
        assert hub.asked("noise.gguf")[-1].headers["range"] == f"bytes={offset}-"
        assert seen[0] > offset
        assert seen == sorted(seen)
        assert hashlib.sha256(base.path.read_bytes()).digest() == hashlib.sha256(DATA).digest()
        assert find_base("cut-base", verify=True) == base
        remove_base("cut-base")


def test_a_file_that_changed_between_two_pulls_is_not_mixed(hub: Hub) -> None:
    hub.repositories["someone/noise"] = Repository({"noise.gguf": DATA})
    hub.cut["noise.gguf"] = [100_000, 0, 0, 0]
    with pytest.raises(UmiError):
        pull_base(BASE, lambda file, done, size: None)
    other = DATA[::-1]
    hub.repositories["someone/noise"] = Repository({"noise.gguf": other})
    base, _ = pull_base(BASE, lambda file, done, size: None)
    assert base.path.read_bytes() == other
