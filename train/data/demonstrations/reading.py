"""Reading of demonstration files: a world in TOML, and the dialogues that are led over it.

    now = 2026-05-18T09:40:00
    notes = ["the spare key hangs behind the door"]
    rows = '''
    ask: …
    '''
    [files]
    "ward/rota.txt" = "Monday: Ines, early\\nFriday: Ines, late\\n"
    [changed]
    "ward/rota.txt" = 2026-05-02T17:00:00

A file without a time of change was changed some days before `now`.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agent.errors import InputError
from agent.tools import builtin_tools
from agent.transcript import Row, ToolTurn, Transcript, UserTurn
from train.data.demonstrations.script import ScriptError, perform, read_script
from train.data.rows import write_rows
from train.data.synthetic.script import ToolCall
from train.data.synthetic.worlds.sandbox import TOOLS, Sandbox

WORLDS = Path(__file__).parent / "worlds"
"""The demonstrations that ship."""
FIELDS = {"now", "notes", "files", "changed", "rows"}
SPECS = tuple(sorted((tool.spec for tool in builtin_tools()), key=lambda spec: spec.name))


@dataclass(frozen=True)
class WrittenWorld:
    """The files, notes and clock of a demonstration file."""

    now: datetime
    files: dict[str, str]
    changed: dict[str, datetime]
    notes: list[str]

    def to_json(self) -> dict[str, object]:
        """Return the world as `agent.evaluation.fixtures` writes it."""
        changed = {name: when.isoformat() for name, when in self.changed.items()}
        return {"files": self.files, "changed": changed, "notes": self.notes}


def write_demonstrations(files: Iterable[Path], out: Path, say: Callable[[str], None]) -> int:
    """Run the demonstrations of `files`, or of folders of them, write the rows, and return the exit code.

    Raise InputError for a file that cannot be read and for a line that cannot be run, and write nothing then.
    """
    paths = [
        path for given in files for path in (sorted(given.glob("*.toml")) if given.is_dir() else [given])
    ]
    if not paths:
        raise InputError("no demonstration file was found", "name files that end in .toml, or their folder")
    say(f"{out}: {write_rows(out, [row for path in paths for row in demonstrated_rows(path)])} rows")
    return 0


def demonstrated_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a demonstration file, each from the world as the file gives it.

    Raise InputError for a file that cannot be read and for a line that cannot be run.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "name another file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML: {error}", "mend it") from None
    if unknown := content.keys() - FIELDS:
        raise InputError(f"{path} has the field {min(unknown)}", f"use {', '.join(sorted(FIELDS))}")
    world = _read_world(path, content)
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder), world)

        def run(call: ToolCall) -> ToolTurn:
            if call.tool not in TOOLS:
                return ToolTurn(call.tool, f"there is no tool {call.tool}", True)
            return sandbox.run(call, call.tool)

        try:
            for number, dialogue in enumerate(read_script(content.get("rows", "")), 1):
                sandbox.reset()
                turns = tuple(perform(dialogue, run))
                assert isinstance(turns[0], UserTurn)
                yield Row(f"{path.stem}-{number}", "demonstrations", "train", Transcript(SPECS, turns), {})
        except ScriptError as error:
            raise InputError(f"{path}: {error}", "mend the line") from None


def _read_world(path: Path, content: dict[str, object]) -> WrittenWorld:
    now, files = content.get("now"), content.get("files", {})
    notes, changed = content.get("notes", []), content.get("changed", {})
    if not isinstance(now, datetime):
        raise InputError(f"{path} has no time `now`", "write one, like now = 2026-05-18T09:40:00")
    if not (isinstance(files, dict) and isinstance(changed, dict) and isinstance(notes, list)):
        raise InputError(f"{path}: files and changed are tables, notes is a list", "mend it")
    stamps = {
        name: now.replace(tzinfo=None) - timedelta(days=3 + 11 * number, minutes=37 * number)
        for number, name in enumerate(files)
    }
    return WrittenWorld(now.astimezone(), files, stamps | changed, notes)
