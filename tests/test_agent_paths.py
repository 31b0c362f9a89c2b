"""Files and folders are replaced whole: a reader sees the old content or the new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.paths import replace_folder, replacing, restore_folder, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.txt"
    write_atomically(file, "one")
    with replacing(file) as partial:
        partial.write_text("two")
        assert file.read_text() == "one"
    assert file.read_text() == "two"
    assert names(tmp_path) == ["new", "new/a.txt"]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.txt", tmp_path / "b"
    write_atomically(file, b"one")
    folder.mkdir()
    (folder / "one").touch()

    def fail_half_way() -> None:
        with replacing(file) as partial:
            partial.write_text("half")
            with replacing(folder) as partial_folder:
                partial_folder.mkdir()
                (partial_folder / "half").touch()
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert file.read_text() == "one"
    assert names(tmp_path) == ["a.txt", "b", "b/one"]


def test_a_folder_is_replaced_by_one_that_a_killed_process_began(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    for old in (folder, tmp_path / "b.part"):
        old.mkdir()
        (old / "old").touch()
    with replacing(folder) as partial:
        assert not partial.exists()
        partial.mkdir()
        (partial / "new").touch()
    assert names(tmp_path) == ["b", "b/new"]


def test_a_folder_whose_place_was_left_empty_is_restored(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    (tmp_path / ".b.old").mkdir()
    restore_folder(folder)
    assert names(tmp_path) == ["b"]
    restore_folder(folder)
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "missing", folder)
    assert names(tmp_path) == ["b"]
