"""Workspaces as data: the files and notes that a held-out question is about."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.transcript import compact


def write_workspace(world: Mapping[str, Any], workspace: Path, notes: Path) -> None:
    """Write the `files` of `world` (path -> text) with their times `changed` (ISO 8601), and its `notes`."""
    workspace.mkdir(parents=True, exist_ok=True)
    for name, text in world["files"].items():
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        stamp = datetime.fromisoformat(world["changed"][name]).timestamp()
        os.utime(path, (stamp, stamp))
    notes.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        compact({"id": number, "time": "2025-01-01T09:00:00", "text": text}) + "\n"
        for number, text in enumerate(world["notes"], 1)
    )
    notes.write_text("".join(lines), encoding="utf-8")
