"""The paths of the shipped models and of the user's folders.

The environment variable `UMI_HOME`, where set, replaces every folder of the user.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import platformdirs

SHIPPED = Path(__file__).resolve().parent / "bundles" / "umi-mini"
"""The bundle that the package contains."""


def data_folder() -> Path:
    """Return the folder of the user's models, notes and conversations. It need not exist."""
    home = os.environ.get("UMI_HOME")
    return Path(home).expanduser() if home else platformdirs.user_data_path("umi", appauthor=False)


def models_folder() -> Path:
    """Return the folder of the user's bundles, one folder each."""
    return data_folder() / "models"


def notes_path() -> Path:
    """Return the file of notes that add_note and search_notes share."""
    return data_folder() / "notes.jsonl"


def settings_path() -> Path:
    """Return the file of the user's settings."""
    home = os.environ.get("UMI_HOME")
    folder = Path(home).expanduser() if home else platformdirs.user_config_path("umi", appauthor=False)
    return folder / "settings.json"


def cache_folder() -> Path:
    """Return the folder of what can be computed again: the prompt cache, measured thread counts."""
    home = os.environ.get("UMI_HOME")
    return Path(home).expanduser() / "cache" if home else platformdirs.user_cache_path("umi", appauthor=False)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` in one step: a reader sees the old file or the new one, never a part.

    Missing parent folders are made. Raise OSError where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex. Raise OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
