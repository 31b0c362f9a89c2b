"""`umi models build`, and the building of deltas when they are first used."""

from __future__ import annotations

from pathlib import Path

from agent.bundle import Bundle
from agent.bundle.deltas.build import build_bundle, open_bundle
from agent.bundle.store import find_bundle
from tui.cli.terminal.interrupts import CommandInterruptedError
from tui.cli.terminal.progress import say
from tui.text import one_line, size_text


def build_models(name: str) -> None:
    """Build the files of a bundle of deltas, unless they are there and whole, and print where they are.

    Raise UmiError as `agent.bundle.deltas.build.build_bundle` does, and CommandInterruptedError after Ctrl-C.
    """
    folder = find_bundle(name)
    try:
        built = build_bundle(folder, _say, on_built=_say, verify=True)
    except KeyboardInterrupt:
        raise CommandInterruptedError("give the same command again to go on") from None
    size = size_text(sum(file.size for file in built.files))
    print(f"{one_line(str(built.folder))}: {built.layout}, {size}")
    say(f"run it with: umi models use {one_line(built.folder.name)}")


def open_models(models: str | Path | None) -> Bundle:
    """Return the bundle of that name or folder (default: the one in use), built first where it is deltas.

    Raise UmiError as `agent.bundle.deltas.build.open_bundle` does, and CommandInterruptedError after Ctrl-C.
    """
    try:
        return open_bundle(find_bundle(None if models is None else str(models)), _say)
    except KeyboardInterrupt:
        raise CommandInterruptedError("give the same command again to go on") from None


def _say(line: str) -> None:
    say(one_line(line))
