"""The questions that were sent, kept on disk: Up brings them back, in the next start of umi too."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from agent.paths import append_line, data_folder, write_private

KEPT = 500
"""Number of questions that are kept when umi starts."""

_log = logging.getLogger(__name__)


def history_path() -> Path:
    """Return the file of the history: one JSON string a line, oldest first, readable by its owner only."""
    return data_folder() / "question_history.jsonl"


class QuestionHistory:
    """Sent questions, oldest first; where the disk takes none, they are kept in memory only."""

    def __init__(self) -> None:
        self.questions: list[str] = []

    def load(self) -> None:
        """Read what earlier starts of umi kept, and shorten a file that has grown to twice `KEPT`."""
        try:
            lines = history_path().read_text(encoding="utf-8").splitlines()
            if len(lines) > 2 * KEPT:
                lines = lines[-KEPT:]
                write_private(history_path(), "".join(f"{line}\n" for line in lines))
        except (OSError, UnicodeDecodeError):
            return
        self.questions[:0] = [text for line in lines[-KEPT:] if (text := _text(line))]

    def add(self, text: str) -> None:
        """Keep a question, unless it is the last one again."""
        if self.questions and self.questions[-1] == text:
            return
        self.questions.append(text)
        try:
            append_line(history_path(), json.dumps(text).encode("ascii"))
        except OSError:
            _log.exception("the history cannot be written")


def _text(line: str) -> str:
    """Return the question of a line; empty for one that was cut off."""
    try:
        text = json.loads(line)
    except ValueError:
        return ""
    return text if isinstance(text, str) else ""
