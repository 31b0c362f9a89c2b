"""Random small workspaces: the files, folders and notes that questions are about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from train.data.phrasings import names
from train.data.synthetic.sampler import Sampler


@dataclass
class World:
    """Files by relative path, their times of change, and notes in order."""

    files: dict[str, str]
    changed: dict[str, datetime]
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """Return the world as `agent.evaluation.fixtures` writes it and a held-out row stores it."""
        return {
            "files": self.files,
            "changed": {name: when.isoformat() for name, when in self.changed.items()},
            "notes": self.notes,
        }


def make_world(sample: Sampler) -> World:
    """Return a world of at most six files, some in folders, and up to four notes."""
    files: dict[str, str] = {}
    folders = [sample.rng.choice(names.FOLDERS) for _ in range(2)]
    stems: set[str] = set()
    for _ in range(sample.rng.randint(3, 6)):
        name = sample.file_name()
        stem = name.split(".")[0].lower()
        # If a stem contained another, "the file with … in its name" would be ambiguous.
        if any(stem in other or other in stem for other in stems):
            continue
        stems.add(stem)
        path = f"{sample.rng.choice(folders)}/{name}" if sample.chance(0.25) else name
        files[path] = _text(sample)
    when = datetime(2026, 11, 1, 12) - timedelta(minutes=sample.rng.randrange(1_500_000))
    changed = {name: when - timedelta(minutes=sample.rng.randrange(100_000)) for name in files}
    notes = [sample.phrase() for _ in range(sample.rng.randint(1, 4))] if sample.chance(0.9) else []
    return World(files, changed, notes)


def _text(sample: Sampler) -> str:
    kind = sample.rng.random()
    if kind < 0.25:
        keys = sample.rng.sample(list(names.KEYS), sample.rng.randint(2, 4))
        mark = sample.rng.choice((": ", ": ", " = "))
        return "".join(f"{key}{mark}{_setting(sample)}\n" for key in keys)
    if kind < 0.4:
        return "".join(f"{sample.word()}: {sample.number(2, 900)}\n" for _ in range(sample.rng.randint(2, 3)))
    return "".join(sample.line() + "\n" for _ in range(sample.rng.choice((1, 1, 2, 2, 3))))


def _setting(sample: Sampler) -> str:
    kind = sample.rng.random()
    if kind < 0.4:
        return sample.integer(2, 9999)
    return sample.person() if kind < 0.65 else sample.word()
