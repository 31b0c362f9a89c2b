"""A small made-up workspace: files, folders and notes that questions are about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from train.data.phrasings import names
from train.data.synthetic.draw import Draw


@dataclass
class World:
    """Files by relative path, notes in order, and when each file was last changed."""

    files: dict[str, str]
    changed: dict[str, datetime]
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """The world as `agent.evaluation.fixtures` lays it out, and as a held-out row carries it."""
        return {
            "files": self.files,
            "changed": {name: when.isoformat() for name, when in self.changed.items()},
            "notes": self.notes,
        }


def make_world(d: Draw) -> World:
    """Three to six files, some in folders, and up to four notes."""
    files: dict[str, str] = {}
    folders = [d.rng.choice(names.FOLDERS) for _ in range(2)]
    stems: set[str] = set()
    for _ in range(d.rng.randint(3, 6)):
        name = d.file_name()
        stem = name.split(".")[0].lower()
        # A stem inside another would make "the file with … in its name" ambiguous.
        if any(stem in other or other in stem for other in stems):
            continue
        stems.add(stem)
        path = f"{d.rng.choice(folders)}/{name}" if d.chance(0.25) else name
        files[path] = _text(d)
    when = datetime(2026, 11, 1, 12) - timedelta(minutes=d.rng.randrange(1_500_000))
    changed = {name: when - timedelta(minutes=d.rng.randrange(100_000)) for name in files}
    notes = [d.phrase() for _ in range(d.rng.randint(1, 4))] if d.chance(0.9) else []
    return World(files, changed, notes)


def _text(d: Draw) -> str:
    kind = d.rng.random()
    if kind < 0.25:
        keys = d.rng.sample(list(names.KEYS), d.rng.randint(2, 4))
        mark = d.rng.choice((": ", ": ", " = "))
        return "".join(f"{key}{mark}{_setting(d)}\n" for key in keys)
    if kind < 0.4:
        return "".join(f"{d.word()}: {d.number(2, 900)}\n" for _ in range(d.rng.randint(2, 3)))
    return "".join(d.line() + "\n" for _ in range(d.rng.choice((1, 1, 2, 2, 3))))


def _setting(d: Draw) -> str:
    kind = d.rng.random()
    if kind < 0.4:
        return d.integer(2, 9999)
    return d.person() if kind < 0.65 else d.word()
