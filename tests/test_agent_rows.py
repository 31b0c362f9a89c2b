"""Rows on disk: what can be read, in what order, which line is named, appending a whole row or nothing."""

from __future__ import annotations

import gzip
import os
import random
import tempfile
import threading
from pathlib import Path

import pytest
from full_disk import full_disk

import agent.transcript.rows
from agent.errors import InputError
from agent.transcript import PlannerTurn, Row, SummarizerTurn, Transcript, UserTurn, compact, row_to_json
from agent.transcript.rows import (
    DamagedFileError,
    append_row,
    ensure_appendable,
    read_lines,
    read_rows,
    row_files,
)

NOBODY = 65534


def row(n: int, text: str = "hello") -> Row:
    turns = (UserTurn(text), PlannerTurn("", "summarizer"), SummarizerTurn(f"Hello {n}."))
    return Row(f"row-{n}", "test", "train", Transcript((), turns))


def line(n: int, text: str = "hello") -> bytes:
    return compact(row_to_json(row(n, text))).encode()


ROWS = [row(n, "grüße ✓ 😀") for n in range(3)]
LINES = [line(n, "grüße ✓ 😀") for n in range(3)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.jsonl", b"\n".join(LINES) + b"\n"),
        ("no end.jsonl", b"\n".join(LINES)),
        ("windows.jsonl", b"\xef\xbb\xbf" + b"\r\n".join(LINES) + b"\r\n"),
        ("blank.jsonl", b"\n \n" + b"\n\n\t\n".join(LINES) + b"\n\n"),
        ("packed.jsonl.gz", gzip.compress(b"\n".join(LINES))),
        ("packed under a plain name", gzip.compress(b"\n".join(LINES))),
        ("two members.gz", gzip.compress(b"\n".join(LINES[:2]) + b"\n") + gzip.compress(LINES[2])),
        ("escaped.jsonl", b"\n".join(line.decode().encode("ascii", "backslashreplace") for line in LINES)),
    ],
)
def test_rows_are_read_however_the_file_is_written(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    # Python spells a character beyond 16 bits \U0001f600 and JSON as two halves.
    file.write_bytes(content.replace(b"\\xfc", b"\\u00fc").replace(b"\\xdf", b"\\u00df"))
    file.write_bytes(file.read_bytes().replace(b"\\U0001f600", b"\\ud83d\\ude00"))
    assert list(read_rows(file)) == ROWS


def test_a_folder_is_its_row_files_sorted(tmp_path: Path) -> None:
    for at, name in enumerate(
        ("b.jsonl", "a/z.jsonl.gz", "a/y.jsonl", "notes.txt", "a/x.jsonl.part", "c.json")
    ):
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(line(at)) if name.endswith(".gz") else line(at))
    (tmp_path / "single").write_bytes(line(9))
    assert [file.name for file in row_files(tmp_path / "data")] == ["y.jsonl", "z.jsonl.gz", "b.jsonl"]
    found = read_rows(tmp_path / "single", tmp_path / "data", tmp_path / "data" / "b.jsonl")
    assert [row.id for row in found] == ["row-9", "row-2", "row-1", "row-0", "row-0"]


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no file named"):
        row_files(tmp_path / "empty")
    for missing in (tmp_path / "no" / "such", tmp_path / ("x" * 300), tmp_path / "zero\0"):
        with pytest.raises(InputError, match="does not exist"):
            list(read_rows(missing))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'{"schema":1,', "line 4 is not JSON: .* at column"),
        (b"[1]", "line 4: the line is not a JSON object"),
        (b'"' + b"x\xff" + b'"', "line 4 is not UTF-8"),
        (b'{"schema":NaN}', "line 4: not JSON: it knows no NaN"),
        (b"[" * 100_000, "line 4: the line is nested too deeply"),
        (line(1, "x").replace(b'"x"', b'"\\ud83d"'), "line 4: .*half of a surrogate pair"),
        (line(1).replace(b'"schema":1', b'"schema":2'), "line 4: schema is 2, not 1"),
        (line(1).replace(b'"tools"', b'"tool"'), "line 4: tools is missing"),
    ],
)
def test_a_bad_line_is_named_after_the_rows_before_it(tmp_path: Path, bad: bytes, message: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(line(0) + b"\n\n" + line(1) + b"\n" + bad + b"\n" + line(2))
    rows = read_rows(file)
    assert [next(rows).id, next(rows).id] == ["row-0", "row-1"]
    with pytest.raises(InputError, match=f"rows.jsonl, {message}"):
        next(rows)


def test_truncated_gzip_yields_its_lines_and_then_raises(tmp_path: Path) -> None:
    noise = random.Random(1)
    content = b"\n".join(line(n, str(noise.random())) for n in range(2000))
    packed = gzip.compress(content)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    for broken in (packed[: len(packed) // 2], bytes(flipped), packed[:-3]):
        file = tmp_path / "rows.jsonl.gz"
        file.write_bytes(broken)
        with pytest.raises(DamagedFileError, match="is gzip that breaks off or is damaged") as caught:
            list(read_lines(file))
        lines = read_lines(file)
        for n in range(caught.value.line):
            assert next(lines).number == n + 1


def test_a_binary_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF\0\0\0\3" + bytes(10_000))
    with pytest.raises(DamagedFileError, match="null bytes"):
        list(read_lines(file))
    monkeypatch.setattr(agent.transcript.rows, "LINE_LIMIT", 100)
    file.write_bytes(b"{}\n" + b"x" * 98 + b"\n\n" + b"x" * 101 + b"\n")
    with pytest.raises(DamagedFileError, match="in line 4"):
        list(read_lines(file))


def test_appended_rows_come_back_even_after_half_a_line(tmp_path: Path) -> None:
    file = tmp_path / "talks.jsonl"
    ensure_appendable(file)
    assert not file.exists()
    append_row(file, row(0))
    append_row(file, row(1))
    ensure_appendable(file)
    with file.open("ab") as stream:
        stream.write(line(2)[:40])
    append_row(file, row(3))
    lines = file.read_bytes().splitlines()
    assert lines == [line(0), line(1), line(2)[:40], line(3)]


def test_rows_appended_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "talks.jsonl"

    def work(start: int) -> None:
        for n in range(start, start + 20):
            append_row(file, row(n, "long " * 5000))

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {row.id for row in read_rows(file)}
    assert found == {f"row-{100 * n + m}" for n in range(4) for m in range(20)}


def test_a_row_that_cannot_be_written_leaves_the_file_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "talks.jsonl"
    append_row(file, row(0))
    with full_disk(4096), pytest.raises(InputError, match="cannot be written: File too large"):
        append_row(file, row(1, "long " * 2000))
    assert file.read_bytes() == line(0) + b"\n"


def test_text_that_utf_8_cannot_encode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="UTF-8"):
        append_row(tmp_path / "talks.jsonl", row(0, "\ud83d"))
    assert not (tmp_path / "talks.jsonl").exists()


def test_files_that_hold_something_else_are_not_appended_to(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (tmp_path / "packed.jsonl").write_bytes(gzip.compress(line(0)))
    os.mkfifo(tmp_path / "pipe")
    for name, message in (
        ("notes.txt", "line 1 is not JSON"),
        ("picture.png", "null bytes"),
        ("packed.jsonl", "is gzip"),
        ("new.jsonl.gz", "is gzip"),
        ("pipe", "is not a file"),
        (".", "is not a file"),
        ("notes.txt/rows.jsonl", "notes.txt is not a folder"),
        ("no/such/rows.jsonl", "is not a folder"),
    ):
        with pytest.raises(InputError, match=message):
            ensure_appendable(tmp_path / name)
    assert not (tmp_path / "new.jsonl.gz").exists()


def test_a_file_without_permission_is_refused() -> None:
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # pytest's own folders are closed to others
        file = Path(folder) / "talks.jsonl"
        file.write_bytes(b"")
        file.chmod(0o444)
        if user == 0:  # root may write everywhere, and CI often is root
            os.seteuid(NOBODY)
        try:
            with pytest.raises(InputError, match="permission denied"):
                ensure_appendable(file)
        finally:
            os.seteuid(user)
