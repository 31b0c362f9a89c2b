"""`umi models …`: list, show, verify, assemble, download, remove and pick bundles."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

from agent.bundle import Dialect, RoleFile, load_bundle, store
from agent.bundle.removal import removal_of
from agent.bundle.store import SHIPPED, find_bundle
from agent.errors import InputError
from agent.transcript import ROLES, Role, compact
from tui.cli.terminal.interrupts import INTERRUPTED, CommandInterruptedError
from tui.cli.terminal.progress import DownloadProgress, print_table, say
from tui.models_table import HEADINGS, model_row
from tui.text import one_line, size_text


def print_models() -> None:
    """Print a line for each bundle, where a star marks the one in use, and for each base that was pulled.

    The speed is shown where this machine was measured before.
    """
    from agent.bundle.listing import list_models
    from agent.config import engine_settings
    from agent.llama.speed.probe import known_rates
    from tui.cli.models.machine_speed import threads_of

    settings = engine_settings()
    rates = known_rates(threads_of(settings))
    here = [entry for entry in list_models(settings) if entry.state != "catalogue"]
    rows = [(entry.selected, model_row(entry, rates)) for entry in here]
    marked = [(f"{'*' if selected else ' '} {name}", *cells) for selected, (name, *cells) in rows]
    print_table([(f"  {HEADINGS[0]}", *HEADINGS[1:]), *marked])
    more = "more to pull" if rates else "more to pull, and the speed expected here"
    say(f"folders and files: umi models show NAME; {more}: umi models catalogue")


def print_bundle(name: str | None, *, everything: bool = False) -> None:
    """Print what a bundle's manifest says; metrics and recipe in full where `everything` is wanted.

    Raises InputError where there is none or it is damaged.
    """
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
        print(f"  {role:10}  {_role_line(file)}")
    for title, value in (("metrics", bundle.metrics), ("recipe", bundle.recipe)):
        if not value:
            continue
        if everything:
            print(f"  {title}")
            for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines()[1:-1]:
                print(f"  {line}")
        else:
            entries = [
                f"{key}={compact(one)}" for key, one in value.items() if not isinstance(one, (dict, list))
            ]
            groups = [key for key, one in value.items() if isinstance(one, (dict, list))]
            print(f"  {title:10}  {one_line(', '.join([*entries, *groups]), 200)}")
    if not everything and (bundle.metrics or bundle.recipe):
        say("metrics and recipe in full: --all")


def _role_line(file: RoleFile) -> str:
    sampling = file.sampling
    how = (
        "greedy"
        if sampling.temperature == 0
        else f"temperature {sampling.temperature:g}, top-p {sampling.top_p:g}"
    )
    grounded = ", grounded" if file.grounded else ""
    adapter = f" + {file.adapter.file}  {size_text(file.adapter.size)}" if file.adapter else ""
    deltas = f" (to be built of {' and '.join(one.file for one in file.deltas)})" if file.deltas else ""
    size = f"{size_text(file.size)}{one_line(deltas)}{adapter}"
    return f"{file.file}  {size}  {how}, at most {sampling.max_tokens} tokens{grounded}"


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

    Raises UmiError as `agent.bundle.download.pull.pull` does, and CommandInterruptedError after Ctrl-C.
    """
    from agent.bundle.download.pull import pull

    progress = DownloadProgress(sys.stderr)
    try:
        bundle = pull(repository, name, progress.update)
    except KeyboardInterrupt:
        raise CommandInterruptedError("give the same command again to go on") from None
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
    removal = removal_of(name)
    if not yes:
        if not (sys.stdin and sys.stdin.isatty()):
            raise InputError(f"removing {name} is for good, and there is nobody to ask", "add --yes")
        shown = " and ".join(one_line(str(folder)) for folder in removal.folders)
        print(f"remove {shown} ({size_text(removal.size)})? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            say("nothing was removed")
            return INTERRUPTED
    was_picked = removal.run()
    print(f"removed {one_line(name)} ({size_text(removal.size)})")
    if was_picked:
        print(f"from now on umi runs {SHIPPED.name}, the models it ships")
    return 0


def use_bundle(name: str) -> None:
    """Pick a bundle for every later run; that of a base is made first.

    Raises InputError where it cannot run.
    """
    from agent.bundle.stock import runnable_bundle

    try:
        folder = store.select_bundle(str(runnable_bundle(name, lambda line: say(one_line(line)))))
    except KeyboardInterrupt:
        raise CommandInterruptedError("give the same command again") from None
    print(f"from now on umi runs {one_line(str(folder))}")
