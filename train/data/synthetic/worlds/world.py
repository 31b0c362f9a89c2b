"""Random small workspaces: the files, folders and notes that questions are about, and the time of day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from train.data.synthetic.sampler import Sampler
from train.data.synthetic.worlds.amounts import Counted, draw_counted, draw_quantities
from train.data.synthetic.worlds.documents import Document
from train.data.synthetic.worlds.series import Series, documents_of, draw_series
from train.data.synthetic.worlds.siblings import Siblings, draw_siblings, sibling_document
from train.data.synthetic.worlds.stated import Stated, draw_stated
from train.data.synthetic.worlds.themed import draw_files
from train.data.synthetic.worlds.twins import TWINNED, Shared, draw_shared, twin_of

TWIN_SHARE = 0.6
"""Share of worlds in which two files of a folder give the same things."""
SIBLINGS_SHARE = 0.55
"""Share of worlds with a folder whose files say the same of different things."""
SERIES_SHARE = 0.4
"""Share of worlds with a folder of files of one form."""


@dataclass
class World:
    """Documents by relative path, their times of change, notes in order, and what the clock says."""

    documents: Mapping[str, Document]
    changed: Mapping[str, datetime]
    notes: list[str]
    now: datetime
    noted: tuple[Stated, ...] = ()
    """What some of the notes state."""
    counted: tuple[Counted, ...] = ()
    """The numbers of things that some of the notes give."""
    twins: tuple[str, ...] = ()
    """Two files of a folder that give the same things, if there are such."""
    siblings: Siblings | None = None
    """A folder whose files say the same of different things, if there is one."""
    shared: Shared | None = None
    """What some of the notes say of several people."""
    measured: tuple[tuple[str, str], ...] = ()
    """The quantities that some of the notes give: what is measured, and how much of which unit."""
    series: Series | None = None
    """A folder of files of one form, if there is one."""
    files: dict[str, str] = field(init=False)
    """The texts of the files by relative path."""

    def __post_init__(self) -> None:
        self.files = {path: document.text for path, document in self.documents.items()}

    @property
    def folders(self) -> list[str]:
        """The folders with files in them, sorted."""
        return sorted({str(PurePosixPath(path).parent) for path in self.files if "/" in path})

    @property
    def note_words(self) -> list[str]:
        """The words of more than three letters or digits in the notes, in order."""
        return [word for note in self.notes for word in note.split() if len(word) > 3 and word.isalnum()]

    def to_json(self) -> dict[str, object]:
        """Return the world as `agent.evaluation.fixtures` writes it and a held-out row stores it."""
        return {
            "files": self.files,
            "changed": {name: when.isoformat() for name, when in self.changed.items()},
            "notes": self.notes,
        }


def _add_twin(sample: Sampler, documents: dict[str, Document], stems: set[str]) -> tuple[str, ...]:
    """Add a file beside a document with the same things in it, and return both paths; none if none fits."""
    paths = [path for path, document in documents.items() if document.kind in TWINNED]
    if not paths:
        return ()
    path = sample.rng.choice(paths)
    stem = sample.word().lower()
    if any(stem in other or other in stem for other in stems):
        return ()
    twin = str(PurePosixPath(path).with_name(stem)) + PurePosixPath(path).suffix
    documents[twin] = twin_of(sample, documents[path])
    return path, twin


def _add_siblings(sample: Sampler, documents: dict[str, Document], stems: set[str]) -> Siblings | None:
    """Add the files of such a folder to the documents, and return them; None if a name is taken."""
    siblings = draw_siblings(sample)
    names = {PurePosixPath(path).stem for path, _ in siblings.files}
    if any(name in stem or stem in name for name in names for stem in stems) or len(names) < 2:
        return None
    if any(path.startswith(f"{siblings.folder}/") for path in documents):
        return None
    documents.update({path: sibling_document(one) for path, one in siblings.files})
    return siblings


def _add_series(sample: Sampler, documents: dict[str, Document]) -> Series | None:
    """Add a folder of files of one form; None if it or a name in it would be ambiguous."""
    series = draw_series(sample)
    folders = {part.lower() for path in documents for part in PurePosixPath(path).parts[:-1]}
    taken = folders | {PurePosixPath(path).name.split(".")[0].lower() for path in documents}
    added = {stem.lower() for stem in series.stems}
    if series.folder in folders or any(new in old or old in new for new in added for old in taken):
        return None
    documents |= documents_of(series)
    return series


def make_world(sample: Sampler) -> World:
    """Return a world of at most twenty files, some in folders, and some notes.

    In the test split it is now, since its questions are asked of the real tools later.
    """
    documents: dict[str, Document] = {}
    folders = [sample.folder() for _ in range(2)]
    if sample.chance(0.2):
        folders[1] = f"{folders[0]}/{sample.folder()}"
    stems: set[str] = set()
    for name, document in draw_files(sample):
        stem = name.split(".")[0].lower()
        # If a stem contained another, "the file with … in its name" would be ambiguous.
        if any(stem in other or other in stem for other in stems):
            continue
        stems.add(stem)
        path = f"{sample.rng.choice(folders)}/{name}" if sample.chance(0.42) else name
        documents[path] = document
    twins = _add_twin(sample, documents, stems) if sample.chance(TWIN_SHARE) else ()
    siblings = _add_siblings(sample, documents, stems) if sample.chance(SIBLINGS_SHARE) else None
    series = _add_series(sample, documents) if sample.chance(SERIES_SHARE) else None
    now = datetime.now().astimezone() if sample.is_test else sample.moment()
    changed = {name: now - timedelta(minutes=sample.rng.randrange(1, 1_500_000)) for name in documents}
    notes = [sample.phrase() for _ in range(sample.rng.randint(1, 3))] if sample.chance(0.9) else []
    noted = draw_stated(sample, sample.rng.randint(1, 2)) if notes and sample.chance(0.7) else ()
    counted = draw_counted(sample, 1) if sample.chance(0.5) else ()
    measured = draw_quantities(sample, 1) if sample.chance(0.4) else ()
    shared = draw_shared(sample) if sample.chance(0.5) else None
    notes += [one.line for one in (*noted, *counted)]
    notes += [line for _, line, _ in shared.lines] if shared else []
    notes += [f"{thing}: {quantity}" for thing, quantity in measured]
    sample.rng.shuffle(notes)
    changes = {name: when.replace(tzinfo=None) for name, when in changed.items()}
    return World(documents, changes, notes, now, noted, counted, twins, siblings, shared, measured, series)
