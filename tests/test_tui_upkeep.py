"""The log file, and what takes room on the disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from agent.bundle.store import locked_folder, partial_folder
from agent.config import set_value
from agent.disk_use import disk_use, remove_caches
from agent.paths import cache_folder, data_folder, log_path
from tui.cli.main import main
from tui.cli.terminal.log import CONTENT, MAX_BYTES, LogFile


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger that writes to the log file."""
    logger = logging.getLogger("umi-test")
    logger.propagate = False
    handler = LogFile()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    content = logging.getLogger(CONTENT)
    content.addHandler(handler)
    content.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(handler)
    content.removeHandler(handler)
    handler.close()


def fail(log: logging.Logger) -> None:
    """Log an exception that quotes a question."""
    try:
        raise ValueError("where is Ada's will?")
    except ValueError:
        log.exception("a turn failed")


def test_the_log_has_what_failed_and_not_what_was_asked(log: logging.Logger) -> None:
    assert not log_path().exists()
    logging.getLogger(CONTENT).info("question: %s", "where is Ada's will?")
    fail(log)
    text = log_path().read_text()
    assert text.splitlines()[0].endswith(f"textual {version('textual')}")
    assert "a turn failed" in text
    assert "in fail" in text
    assert "ValueError" in text
    assert "Ada" not in text.replace('raise ValueError("where is Ada\'s will?")', "")
    assert log_path().stat().st_mode & 0o777 == 0o600


def test_questions_are_logged_where_that_is_asked_for(log: logging.Logger) -> None:
    set_value("log_content", "true")
    logging.getLogger(CONTENT).info("question: %s", "where is Ada's will?")
    fail(log)
    assert log_path().read_text().count("Ada's will") >= 2


def test_the_log_does_not_grow_without_end(log: logging.Logger) -> None:
    for _ in range(30):
        log.info("x" * 100_000)
    files = sorted(log_path().parent.glob("umi.log*"))
    assert [path.name for path in files] == ["umi.log", "umi.log.1"]
    assert all(path.stat().st_size <= MAX_BYTES for path in files)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)


def test_a_log_that_is_off_is_not_written(log: logging.Logger) -> None:
    set_value("log", "off")
    log.info("nothing")
    assert not log_path().exists()


def test_what_can_be_had_again_is_removed(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {"caches": 3000, "unfinished": 2000, "sessions": 500, "models": 100}
    made = {
        cache_folder() / "states" / "a.state": 3000,
        partial_folder("half") / "model": 2000,
        data_folder() / "sessions.db": 500,
        data_folder() / "models" / "mine" / "bundle.json": 100,
    }
    for path, size in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    (data_folder() / "models" / "mine" / "link").hardlink_to(
        data_folder() / "models" / "mine" / "bundle.json"
    )
    assert {use.name: use.size for use in disk_use() if use.name in sizes} == sizes
    with locked_folder(partial_folder("busy"), "busy is being pulled"):
        (partial_folder("busy") / "model").write_bytes(bytes(10))
        assert main(["doctor", "--clean"]) == 0
        assert capsys.readouterr().out == "removed 5.0 kB of caches and unfinished downloads\n"
        assert [path.exists() for path in made] == [False, False, True, True]
        assert (partial_folder("busy") / "model").exists()
    assert remove_caches() == 10
