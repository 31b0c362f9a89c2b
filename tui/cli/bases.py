"""`umi models …` of bases: the catalogue, the bases that were pulled, pulling one."""

from __future__ import annotations

import sys

from agent.bundle.download.bases import base_names, find_base
from agent.bundle.download.catalogue import CataloguedBase, SourceName, find_in_catalogue, read_catalogue
from agent.errors import InputError
from tui.cli.interrupts import Interrupted
from tui.cli.progress import DownloadProgress, say
from tui.text import one_line, size_text


def print_catalogue() -> None:
    """Print a line for each base that can be pulled."""
    rows = [_catalogue_row(base) for base in read_catalogue()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def print_bases() -> None:
    """Print the bases that were pulled, in a section of their own; nothing if there are none."""
    names = base_names()
    if not names:
        return
    print("\nbases, to train roles on:")
    width = max(map(len, names))
    for name in names:
        try:
            base = find_base(name)
            facts = f"{size_text(base.size)}, {one_line(base.license)}, {one_line(str(base.path))}"
        except InputError as error:
            facts = one_line(str(error))
        print(f"  {one_line(name):{width}}  {facts}")


def pull_catalogued_base(name: str, source: SourceName | None) -> None:
    """Download a base unless it is there, and print where it is.

    Raise InputError for a name that the catalogue does not have, UmiError as
    `agent.bundle.download.pull_base.pull_base` does, and Interrupted after Ctrl-C.
    """
    from agent.bundle.download.pull_base import pull_base

    wanted = find_in_catalogue(name)
    progress = DownloadProgress(sys.stderr)
    try:
        base, downloaded = pull_base(wanted, progress.update, source=source)
    except KeyboardInterrupt:
        raise Interrupted("give the same command again") from None
    finally:
        progress.clear()
    if not downloaded:
        print(f"{one_line(str(base.path))}: there already, its sha256 is right")
        return
    facts = f"{size_text(base.size)}, licence {base.license}, from {base.source}"
    print(f"{one_line(str(base.path))}: {one_line(facts)}")
    say(f"train roles on it: umi train base import {base.name}")


def _catalogue_row(base: CataloguedBase) -> tuple[str, ...]:
    size = size_text(base.size) if base.sha256 else f"about {size_text(base.size)}"
    notes = [f"from the {' or the '.join(base.sources)}"]
    if not base.tried:
        notes.append("not tried here")
    if base.name in base_names():
        notes.append("pulled")
    return base.name, size, base.license, base.description, ", ".join(notes)
