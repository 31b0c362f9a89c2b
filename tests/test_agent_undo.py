"""Undo: what files held before a write is kept through a kill, and comes back byte for byte."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from full_disk import full_disk
from lock import ROOT

from agent.errors import InputError, ToolError
from agent.tools import Workspace
from agent.tools.undo import store as store_module
from agent.tools.undo.restore import undo
from agent.tools.undo.store import UndoStore, Write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    (root / "notes.txt").write_bytes(b"buy milk\r\n\xff\0\n")
    return root


@pytest.fixture
def store(tmp_path: Path) -> UndoStore:
    return UndoStore(tmp_path / "home" / "undo")


@pytest.fixture
def workspace(root: Path, store: UndoStore) -> Workspace:
    return Workspace(root, undo=store)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_write_is_undone_byte_for_byte_and_the_undo_too(workspace: Workspace, root: Path, store: UndoStore):
    before = (root / "notes.txt").read_bytes()
    (root / "notes.txt").chmod(0o640)
    workspace.write_text("notes.txt", "lost")
    done = undo(store)
    assert (root / "notes.txt").read_bytes() == before
    assert stat.S_IMODE((root / "notes.txt").stat().st_mode) == 0o640
    undo(store, done.id)
    assert (root / "notes.txt").read_text() == "lost"
    undo(store)
    assert (root / "notes.txt").read_bytes() == before
    with pytest.raises(InputError, match="no write to undo"):
        undo(store)


def test_a_new_file_is_removed_with_the_folders_made_for_it(
    workspace: Workspace, root: Path, store: UndoStore
):
    before = tree(root)
    workspace.write_text("a/b/new.txt", "x")
    (root / "a" / "mine.txt").touch()
    done = undo(store)
    assert tree(root) == before | {"a/mine.txt": b""}
    assert not (root / "a" / "b").exists()
    undo(store, done.id)
    assert (root / "a" / "b" / "new.txt").read_text() == "x"


def test_undo_goes_back_one_write_at_a_time(workspace: Workspace, root: Path, store: UndoStore):
    for text in ("one", "two", "three"):
        workspace.write_text("list.txt", text)
    for text in ("two", "one"):
        undo(store)
        assert (root / "list.txt").read_text() == text
    undo(store)
    assert not (root / "list.txt").exists()


def test_a_file_changed_since_is_left_unless_forced(workspace: Workspace, root: Path, store: UndoStore):
    workspace.write_text("notes.txt", "written")
    (root / "notes.txt").write_text("my own work")
    with pytest.raises(InputError, match=r"notes.txt was changed since.*--force"):
        undo(store)
    assert (root / "notes.txt").read_text() == "my own work"
    done = undo(store, force=True)
    assert (root / "notes.txt").read_bytes().startswith(b"buy milk")
    undo(store, done.id)
    assert (root / "notes.txt").read_text() == "my own work"
    (root / "notes.txt").unlink()
    with pytest.raises(InputError, match="was removed since"):
        undo(store, 1)


def test_undo_of_what_is_not_there(workspace: Workspace, root: Path, store: UndoStore):
    with pytest.raises(InputError, match="no write to undo"):
        undo(store)
    workspace.write_text("notes.txt", "new")
    with pytest.raises(InputError, match="no write 7 is kept"):
        undo(store, 7)
    root.rename(root.with_name("moved"))
    with pytest.raises(InputError, match="is gone"):
        undo(store)


@pytest.mark.parametrize("kind", ["file", "folder", "root"])
def test_undo_follows_no_link(workspace: Workspace, root: Path, store: UndoStore, kind: str):
    workspace.write_text("docs/a.txt", "one")
    workspace.write_text("docs/a.txt", "two")
    other = root.parent / "other"
    (other / "docs").mkdir(parents=True)
    (other / "docs" / "a.txt").write_text("two")
    target = {"file": "docs/a.txt", "folder": "docs", "root": "."}[kind]
    (root / target).rename(root.parent / "away")
    (root / target).symlink_to(other / target)
    with pytest.raises(InputError, match="link"):
        undo(store, force=True)
    assert (other / "docs" / "a.txt").read_text() == "two"


def test_only_the_owner_can_read_the_store(workspace: Workspace, store: UndoStore):
    os.umask(before := os.umask(0))
    try:
        os.umask(0)
        workspace.write_text("notes.txt", "new")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (store.folder, store.folder.parent)} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in store.folder.iterdir()} == {0o600}


def test_the_oldest_writes_are_dropped_first(
    workspace: Workspace, store: UndoStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store_module, "MAX_BYTES", 5000)
    for number in range(10):
        workspace.write_text("big.txt", str(number) * 1000)
    kept = [write.id for write in store.writes()]
    assert kept == list(range(kept[0], 11))
    assert 1 < len(kept) < 5
    assert sum(path.stat().st_size for path in store.folder.iterdir()) <= 5000
    monkeypatch.setattr(store_module, "MAX_WRITES", 2)
    workspace.write_text("big.txt", "x")
    assert [write.id for write in store.writes()] == [10, 11]


def test_what_cannot_be_kept_is_not_written(
    workspace: Workspace, root: Path, store: UndoStore, monkeypatch: pytest.MonkeyPatch
):
    before = tree(root)
    with full_disk(4), pytest.raises(ToolError, match="left as it is"):
        workspace.write_text("notes.txt", "x")
    monkeypatch.setattr(store_module, "MAX_BYTES", 4)
    with pytest.raises(ToolError, match="more than undo can keep"):
        workspace.write_text("notes.txt", "x")
    assert tree(root) == before
    assert store.writes() == []


def test_a_write_that_fails_is_not_listed(
    workspace: Workspace, root: Path, store: UndoStore, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    real, before = os.replace, sorted(root.rglob("*"))
    monkeypatch.setattr(os, "replace", lambda *a, **o: full() if o else real(*a))
    for path in ("notes.txt", "new/folder/notes.txt"):
        with pytest.raises(ToolError, match="no space left"):
            workspace.write_text(path, "x")
    assert store.writes() == []
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("moment", ["keeping", "before", "after"])
def test_a_kill_loses_nothing(workspace: Workspace, root: Path, store: UndoStore, moment: str):
    """The process dies while it keeps the old content, right before or right after it is replaced."""
    before = (root / "notes.txt").read_bytes()
    workspace.write_text("earlier.txt", "x")
    program = """
import os, signal, sys
from pathlib import Path
from agent.tools import Workspace
from agent.tools.undo.store import UndoStore
replace = os.replace
def die(source, target, **options):
    keeping = not str(source).startswith(".umi-")
    if keeping or sys.argv[3] == "after":
        replace(source, target, **options)
    if keeping == (sys.argv[3] == "keeping"):
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = die
Workspace(Path(sys.argv[1]), undo=UndoStore(Path(sys.argv[2]))).write_text("notes.txt", "new")
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(root), str(store.folder), moment],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    undone = undo(store).write.path
    assert undone == ("notes.txt" if moment == "after" else "earlier.txt")
    assert (root / "notes.txt").read_bytes() == before


def test_writes_that_killed_processes_did_not_make_are_no_obstacle(
    workspace: Workspace, root: Path, store: UndoStore
):
    """Of each pair of pending writes, the first was made and not confirmed, the second was cut off."""
    for text in ("one", "two", "three"):
        workspace.write_text("list.txt", text)
        cut_off = Write(str(root), "list.txt", 0o644, hashlib.sha256(b"never").hexdigest())
        with (root / "list.txt").open("rb") as old:
            store.keep(cut_off, old)
        made = store.folder / f"{store.writes()[-2].id:08}"
        made.rename(made.with_suffix(".pending"))
    assert [write.pending for write in store.writes()] == [True] * 6
    for text in ("two", "one"):
        undo(store)
        assert (root / "list.txt").read_text() == text
    undo(store)
    assert not (root / "list.txt").exists()
    with pytest.raises(InputError, match="no write to undo"):
        undo(store)


@pytest.mark.parametrize("path", ["notes.txt", "new.txt"])
def test_what_another_program_wrote_meanwhile_is_not_lost(
    workspace: Workspace, root: Path, store: UndoStore, monkeypatch: pytest.MonkeyPatch, path: str
):
    """The other program writes after the old content was kept, while the new content goes to the disk."""
    real = os.fsync

    def sync(handle: int) -> None:
        real(handle)
        (root / path).write_text("of the other program")

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(ToolError, match="another program"):
        workspace.write_text(path, "x")
    assert (root / path).read_text() == "of the other program"
    assert store.writes() == []
    assert sorted(os.listdir(root)) == sorted({"notes.txt", path})


def test_a_write_that_changes_nothing_is_not_kept(workspace: Workspace, root: Path, store: UndoStore):
    workspace.write_text("list.txt", "one")
    workspace.write_text("list.txt", "one")
    assert [write.id for write in store.writes()] == [1]


def test_damaged_files_of_the_store_are_passed_over(workspace: Workspace, root: Path, store: UndoStore):
    workspace.write_text("notes.txt", "one")
    for name, content in {
        "00000002": b"",
        "00000003": b"\xff\n",
        "00000004": b"[" * 100_000,
        "00000005": b'{"id":5}\n',
        "00000006": b'{"id":6,"root":"/","path":"etc/passwd","mode":null,"after":null,"folders":3}\n',
        "x": b"",
    }.items():
        (store.folder / name).write_bytes(content)
    assert [write.id for write in store.writes()] == [1]
    workspace.write_text("notes.txt", "two")
    assert [write.id for write in store.writes()] == [1, 7]
    undo(store)
    assert (root / "notes.txt").read_text() == "one"


def test_processes_that_write_at_once_each_keep_their_write(root: Path, store: UndoStore):
    program = """
import sys
from pathlib import Path
from agent.tools import Workspace
from agent.tools.undo.store import UndoStore
workspace = Workspace(Path(sys.argv[1]), undo=UndoStore(Path(sys.argv[2])))
for number in range(20):
    workspace.write_text(f"{sys.argv[3]}-{number}.txt", "x")
"""
    running = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", program, str(root), str(store.folder), str(number)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for number in range(2)
    ]
    assert [process.wait() for process in running] == [0, 0]
    assert sorted(write.path for write in store.writes()) == sorted(
        f"{process}-{number}.txt" for process in range(2) for number in range(20)
    )
