"""Files of one folder that say the same of different things, each named after its thing."""

from __future__ import annotations

from dataclasses import dataclass

from train.data.phrasings import SIBLINGS
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.worlds.documents import Document
from train.data.synthetic.worlds.stated import Stated, repeated


@dataclass(frozen=True)
class Siblings:
    """A folder, its files with the line of each, and how one speaks of them."""

    folder: str
    files: tuple[tuple[str, Stated], ...]
    """The path and the line of each."""
    about_all: tuple[str, ...]
    """Questions about all of them."""
    called: tuple[str, ...]
    """What one of them is called, before the name of its thing: `quote of`."""


def draw_siblings(sample: Sampler) -> Siblings:
    """Return two or three files of a folder."""
    heading = sample.rng.choice(list(SIBLINGS))
    folders, line, called = heading.split(" | ")
    folder = sample.rng.choice(folders.split(", "))
    if sample.chance(0.15):
        folder = f"{sample.folder()}/{folder}"
    asked = tuple(text for text in SIBLINGS[heading] if not text.startswith("* "))
    about_all = next(text for text in SIBLINGS[heading] if text.startswith("* ")).removeprefix("* ")
    rows = repeated(sample, line, {line: asked}, sample.rng.choice((2, 2, 3)))
    ending = sample.rng.choice(("txt", "md"))
    files = tuple((f"{folder}/{row.slots['word'].lower()}.{ending}", row) for row in rows)
    return Siblings(folder, files, tuple(about_all.split(" / ")), tuple(called.split(", ")))


def sibling_document(one: Stated) -> Document:
    """Return the text of one of them."""
    return Document("statements", f"{one.line}\n", stated=(one,))
