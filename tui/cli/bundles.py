"""`umi models …`: list, show, verify, assemble, download, remove and pick bundles."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

from agent.bundle import MANIFEST, Dialect, load_bundle, store
from agent.bundle.download.bases import removable_base_folders, remove_base
from agent.bundle.store import SHIPPED, find_bundle, list_bundles
from agent.errors import InputError
from agent.paths import models_folder
from agent.transcript import ROLES, Role
from tui.cli.bases import print_bases
from tui.cli.interrupts import INTERRUPTED, Interrupted
from tui.cli.progress import DownloadProgress, say
from tui.text import one_line, size_text


def print_bundles() -> None:
    """Print a line for each bundle, where a star marks the one in use, and for each base that was pulled."""
    rows = list_bundles()
    width = max(len(row.name) for row in rows)
    for row in rows:
        print(f"{'*' if row.selected else ' '} {one_line(row.name):{width}}  {one_line(str(row.folder))}")
    print_bases()


def print_bundle(name: str | None) -> None:
    """Print what a bundle's manifest says. Raises InputError where there is none or it is damaged."""
    bundle = load_bundle(find_bundle(name))
    facts = {
        "folder": str(bundle.folder),
        "layout": f"{bundle.layout}, {bundle.dialect} dialect, prompt version {bundle.prompt_version}",
        "context": f"{bundle.context_length} tokens",
        "licence": bundle.license or "not given",
    }
    if bundle.base:
        facts["base"] = f"{bundle.base.name}, {bundle.base.file}, sha256 {bundle.base.sha256[:12]}…"
    print(one_line(bundle.name))
    for key, value in facts.items():
        print(f"  {key:10}  {one_line(value)}")
    for role, file in bundle.roles.items():
        sampling = file.sampling
        how = (
            "greedy"
            if sampling.temperature == 0
            else f"temperature {sampling.temperature:g}, top-p {sampling.top_p:g}"
        )
        grounded = ", grounded" if file.grounded else ""
        limits = f"{how}, at most {sampling.max_tokens} tokens{grounded}"
        adapter = f" + {file.adapter.file}  {size_text(file.adapter.size)}" if file.adapter else ""
        deltas = f" (to be built of {' and '.join(one.file for one in file.deltas)})" if file.deltas else ""
        print(f"  {role:10}  {file.file}  {size_text(file.size)}{one_line(deltas)}{adapter}  {limits}")
    for title, value in (("metrics", bundle.metrics), ("recipe", bundle.recipe)):
        if value:
            print(f"  {title}")
            for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines()[1:-1]:
                print(f"  {line}")


def verify_bundle(name: str | None) -> None:
    """Compare every file of a bundle with its sha256, a line each.

    Raises BundleError naming the first that is damaged.
    """
    bundle = load_bundle(find_bundle(name), verify=True)
    for file in bundle.files:
        print(f"ok  {file.file}  {size_text(file.size)}  sha256 {file.sha256}")


def assemble_bundle(
    out: Path, files: Mapping[str, Path | None], backbone: Path | None, dialect: str, context: int
) -> None:
    """Make a bundle of GGUF files and print its layout. Raises InputError for what does not fit together.

    `files` holds each role's model, or its adapter on `backbone`; a `context` of 0 tokens takes the model's
    own.
    """
    from agent.bundle.assemble import assemble

    if dialect not in get_args(Dialect):
        raise InputError(f"there is no dialect {dialect}", f"there are {' and '.join(get_args(Dialect))}")
    if context < 0:
        raise InputError(f"--context is {context}", "give a number of tokens above 0")
    roles: dict[Role, Path] = {role: path for role in ROLES if (path := files[role])}
    bundle = assemble(
        out,
        roles,
        backbone=backbone,
        dialect=cast(Dialect, dialect),
        context_length=context,
        warn=lambda line: print(f"chat template: {one_line(line)}", file=sys.stderr),
    )
    bias = f", call bias {bundle.call_bias:.2f}" if bundle.dialect == "chat" else ""
    print(f"{one_line(str(bundle.folder))}: {bundle.layout}, {bundle.context_length} tokens of context{bias}")


def pull_bundle(repository: str, name: str | None) -> None:
    """Download a bundle from the hub under `name` and print what it is.

    Raises UmiError as `agent.bundle.download.pull.pull` does, and Interrupted after Ctrl-C.
    """
    from agent.bundle.download.pull import pull

    progress = DownloadProgress(sys.stderr)
    try:
        bundle = pull(repository, name, progress.update)
    except KeyboardInterrupt:
        raise Interrupted("give the same command again to go on") from None
    finally:
        progress.clear()
    size = size_text(sum(file.size for file in bundle.files))
    licence = one_line(bundle.license) or "not given"
    print(f"{one_line(str(bundle.folder))}: {bundle.layout}, {size}, licence {licence}")
    if bundle.base:
        say(f"it is built over {one_line(bundle.base.name)} with: umi models build {bundle.folder.name}")
    else:
        say(f"run it with: umi models use {bundle.folder.name}")


def remove_bundle(name: str, *, yes: bool) -> int:
    """Delete a bundle or base of the user's own and return the exit code; asks at the terminal unless `yes`.

    Raises InputError where it may not be deleted, or there is nobody to ask.
    """
    base = [] if (models_folder() / name / MANIFEST).exists() else removable_base_folders(name)
    folders = base or store.removable_folders(name)
    size = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
    if not yes:
        if not (sys.stdin and sys.stdin.isatty()):
            raise InputError(f"removing {name} is for good, and there is nobody to ask", "add --yes")
        shown = " and ".join(one_line(str(folder)) for folder in folders)
        print(f"remove {shown} ({size_text(size)})? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            say("nothing was removed")
            return INTERRUPTED
    was_picked = False
    if base:
        remove_base(name)
    else:
        was_picked = store.remove_bundle(name)
    print(f"removed {one_line(name)} ({size_text(size)})")
    if was_picked:
        print(f"from now on umi runs {SHIPPED.name}, the models it ships")
    return 0


def use_bundle(name: str) -> None:
    """Pick a bundle for every later run. Raises InputError where it cannot run."""
    folder: Path = store.select_bundle(name)
    print(f"from now on umi runs {one_line(str(folder))}")
