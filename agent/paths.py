"""Where umi keeps things: the models it ships, and the user's own folders.

`UMI_HOME`, where set, takes the place of every user folder.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import platformdirs

SHIPPED = Path(__file__).resolve().parent / "bundles" / "umi-mini"
"""The bundle inside the package."""


def data_folder() -> Path:
    """The user's models, notes and conversations. Not created here."""
    home = os.environ.get("UMI_HOME")
    return Path(home).expanduser() if home else platformdirs.user_data_path("umi", appauthor=False)


def models_folder() -> Path:
    """The user's own bundles, one folder each."""
    return data_folder() / "models"


def notes_path() -> Path:
    """The note store that add_note and search_notes share."""
    return data_folder() / "notes.jsonl"


def settings_path() -> Path:
    """The user's choices."""
    home = os.environ.get("UMI_HOME")
    folder = Path(home).expanduser() if home else platformdirs.user_config_path("umi", appauthor=False)
    return folder / "settings.json"


def cache_folder() -> Path:
    """What can be computed again: states of tool lists, measured thread counts."""
    home = os.environ.get("UMI_HOME")
    return Path(home).expanduser() / "cache" if home else platformdirs.user_cache_path("umi", appauthor=False)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex. Raises OSError where it cannot be read."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
