"""`umi train data`: every command exists and loads quickly, and an error leaves no partial file."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import run_train as main
from full_disk import full_disk
from tiny_base import tiny_rows

from agent.errors import InputError
from agent.transcript.rows import read_rows
from train.data.rows import write_rows

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["make", "import", "check", "show", "mix"])
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: umi train data {name} ")


@pytest.mark.parametrize("argv", [[], ["walk"], ["--out", "x"]])
def test_a_command_that_is_not_there_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "see `umi train data --help`" in err


def test_no_command_on_rows_loads_torch(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", tiny_rows(4))
    program = (
        "import sys; from tui.cli.main import main\n"
        "rows, out = sys.argv[1:]\n"
        "for argv in (['check', rows], ['show', rows], ['mix', '--out', out, rows]):\n"
        "    assert main(['train', 'data', *argv]) == 0\n"
        "assert not {'torch', 'transformers'} & sys.modules.keys()"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "rows.jsonl"), str(tmp_path / "out.jsonl")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_name_that_ends_in_gz_gets_gzip(tmp_path: Path) -> None:
    argv = ["data", "make", "--count", "5", "--out"]
    assert main([*argv, str(tmp_path / "new" / "rows.jsonl.gz")]) == 0
    assert main([*argv, str(tmp_path / "rows.jsonl")]) == 0
    packed = gzip.decompress((tmp_path / "new" / "rows.jsonl.gz").read_bytes())
    assert packed == (tmp_path / "rows.jsonl").read_bytes()
    assert len(list(read_rows(tmp_path / "new"))) == 5


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    write_rows(file, tiny_rows(2))
    before = file.read_bytes()
    with full_disk(2000), pytest.raises(InputError, match="cannot be written: File too large"):
        write_rows(file, tiny_rows(2000))
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
