"""The log file, for reports of bugs: what umi did and what failed, without what was asked or answered.

It is made at the first record, for its owner alone, and begins anew after `MAX_BYTES`, with one older file
kept. Records of the logger `CONTENT`, and the messages of exceptions, which may quote a text, are written
only where the setting `log_content` is true. The setting `log` names another file, or is `off`.
"""

from __future__ import annotations

import logging
import os
import platform
import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from agent.errors import InputError, UmiError
from agent.paths import log_path

if TYPE_CHECKING:
    from logging.handlers import RotatingFileHandler

MAX_BYTES = 1 << 20
CONTENT = "umi.content"
"""The logger of what people and models wrote."""
_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


def prepare_log() -> None:
    """Send the log to its file, and nothing of it to the terminal, where a traceback would tear the screen.

    Raise InputError where UMI_LOG names a file that cannot be written.
    """
    path = os.environ.get("UMI_LOG", "")
    if path and path != "off":
        try:
            # Made for its owner alone; a FIFO without a reader is an error and not waited for.
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600))
        except OSError as error:
            raise InputError(f"UMI_LOG: cannot write {path}: {error.strerror}", "name another file") from None
    logging.basicConfig(handlers=[LogFile()], level=logging.INFO)


def current_log_path() -> Path | None:
    """Return the log file that the settings name; None where there is none. Raise InputError as they do."""
    from agent.config import read_config

    named = read_config().log
    return None if named == "off" else Path(named).expanduser() if named else log_path()


class LogFile(logging.Handler):
    """Opens the file at the first record: a command that logs nothing neither reads settings nor writes."""

    def __init__(self) -> None:
        super().__init__()
        self._file: RotatingFileHandler | None = None
        self._closed = False
        self._content = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; one that cannot be written is lost."""
        if self._file is None and not self._closed:
            self._open()
        if self._file is not None and (self._content or record.name != CONTENT):
            self._file.emit(record)

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()

    def _open(self) -> None:
        from logging.handlers import RotatingFileHandler

        from agent.config import read_config
        from agent.paths import make_private_folder

        class PrivateFile(RotatingFileHandler):
            def _open(self):
                return open(
                    self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=_open_private
                )

            def handleError(self, record: logging.LogRecord) -> None:
                """Lose the record."""

        self._closed = True
        try:
            path = current_log_path()
            self._content = read_config().log_content
            if path is None:
                return
            make_private_folder(path.parent)
            file = PrivateFile(path, maxBytes=MAX_BYTES, backupCount=1, delay=True)
        except (OSError, UmiError):
            return
        file.setFormatter(_Formatter(self._content))
        self._file, self._closed = file, False
        file.emit(logging.LogRecord("umi", logging.INFO, __file__, 0, _versions(), None, None))


def _versions() -> str:
    """Return what a report of a bug should begin with."""
    from tui.installation import installed_version

    packages = ", ".join(f"{name} {installed_version(name)}" for name in ("llama-cpp-python", "textual"))
    return f"umi {installed_version('umi-agent')}, Python {platform.python_version()}, {packages}"


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)


class _Formatter(logging.Formatter):
    """One line a record, then where an exception came from; its message only if `content`."""

    def __init__(self, content: bool) -> None:
        super().__init__(_FORMAT)
        self._content = content

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """Return the traceback; without messages unless content is logged."""
        if self._content or ei[1] is None:
            return super().formatException(ei)
        lines: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None:
            lines += [*traceback.format_tb(error.__traceback__), f"{type(error).__qualname__}\n"]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "".join(lines).rstrip("\n")
