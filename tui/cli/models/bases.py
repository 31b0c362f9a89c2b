"""`umi models …` of bases: the catalogue, and pulling one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agent.bundle.download.catalogue import CataloguedBase, SourceName, find_in_catalogue, read_catalogue
from tui.cli.terminal.interrupts import CommandInterruptedError
from tui.cli.terminal.progress import DownloadProgress, print_table, say
from tui.models_table import HEADINGS, model_row
from tui.text import one_line, size_text

if TYPE_CHECKING:
    from agent.bundle.listing import ModelEntry


def print_catalogue() -> None:
    """Print a line for each base that can be pulled or was, with the speed expected on this machine."""
    from agent.bundle.listing import list_models
    from agent.config import engine_settings
    from tui.cli.models.machine_speed import machine_rates

    settings = engine_settings()
    names = {base.name: base for base in read_catalogue()}
    entries = [entry for entry in list_models(settings) if entry.name in names and entry.state != "bundle"]
    rates = machine_rates(entries, settings)
    rows = [
        (
            *model_row(entry, rates)[:-1],
            f"{names[entry.name].description}; {_source(names[entry.name], entry)}",
        )
        for entry in entries
    ]
    print_table([HEADINGS, *rows])
    say("tokens/s: reading / writing, expected; memory of what is not here yet grows with the context")


def _source(base: CataloguedBase, entry: ModelEntry) -> str:
    if entry.state == "base":
        return "pulled"
    tried = "" if base.tried else ", not tried here"
    return f"from the {' or the '.join(base.sources)}{tried}"


def pull_catalogued_base(name: str, source: SourceName | None) -> None:
    """Download a base unless it is there, and print where it is.

    Raise InputError for a name that the catalogue does not have, UmiError as
    `agent.bundle.download.pull_base.pull_base` does, and CommandInterruptedError after Ctrl-C.
    """
    from agent.bundle.download.pull_base import again, pull_base

    wanted = find_in_catalogue(name)
    progress = DownloadProgress(sys.stderr)
    try:
        base, downloaded = pull_base(wanted, progress.update, source=source)
    except KeyboardInterrupt:
        raise CommandInterruptedError(f"the same command {again(wanted)}") from None
    finally:
        progress.clear()
    if not downloaded:
        print(f"{one_line(str(base.path))}: there already, its sha256 is right")
        return
    facts = f"{size_text(base.size)}, licence {base.license}, from {base.source}"
    print(f"{one_line(str(base.path))}: {one_line(facts)}")
    say(f"run it: umi models use {base.name}; train roles on it: umi train base import {base.name}")
