"""What `umi tools …` and `umi models …` print."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

from agent.bundle import Dialect, load_bundle, store
from agent.bundle.store import SHIPPED, find_bundle, list_bundles, removable_folders, select_bundle
from agent.errors import InputError
from agent.tools import builtin_tools
from agent.tools.toolbox import select_tools
from agent.transcript import ROLES, Role
from tui.text import one_line, size_text


def print_tools() -> None:
    """A line for each tool: its name, what it may touch, what it does."""
    tools = sorted(builtin_tools(), key=lambda tool: tool.name)
    width = max(len(tool.name) for tool in tools)
    for tool in tools:
        print(f"{tool.name:{width}}  {tool.may:7}  {one_line(tool.spec.description)}")


def print_tool(name: str) -> None:
    """One tool with its parameters. Raises InputError naming the nearest where there is none."""
    tool = select_tools(builtin_tools(), [name])[0]
    asks = "" if tool.may == "read" else " (asks first)"
    print(f"{tool.name}\nmay: {tool.may}{asks}\n{one_line(tool.spec.description)}\n")
    print(json.dumps(tool.spec.parameters, indent=2, ensure_ascii=False))


def print_bundles() -> None:
    """A line for each bundle; a star marks the one in use."""
    rows = list_bundles()
    width = max(len(row.name) for row in rows)
    for row in rows:
        print(f"{'*' if row.selected else ' '} {one_line(row.name):{width}}  {one_line(str(row.folder))}")


def print_bundle(name: str | None) -> None:
    """A bundle's manifest, for people. Raises InputError where there is none or it is damaged."""
    bundle = load_bundle(find_bundle(name))
    facts = {
        "folder": str(bundle.folder),
        "layout": f"{bundle.layout}, {bundle.dialect} dialect, prompt version {bundle.prompt_version}",
        "context": f"{bundle.context_length} tokens",
        "licence": bundle.license or "not given",
    }
    print(one_line(bundle.name))
    for key, value in facts.items():
        print(f"  {key:10}  {one_line(value)}")
    for role, file in bundle.roles.items():
        drawn = file.sampling
        how = (
            "greedy"
            if drawn.temperature == 0
            else f"temperature {drawn.temperature:g}, top-p {drawn.top_p:g}"
        )
        grounded = ", grounded" if file.grounded else ""
        limits = f"{how}, at most {drawn.max_tokens} tokens{grounded}"
        adapter = f" + {file.adapter.file}  {size_text(file.adapter.size)}" if file.adapter else ""
        print(f"  {role:10}  {file.file}  {size_text(file.size)}{adapter}  {limits}")
    for title, value in (("metrics", bundle.metrics), ("recipe", bundle.recipe)):
        if value:
            print(f"  {title}")
            for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines()[1:-1]:
                print(f"  {line}")


def verify_bundle(name: str | None) -> None:
    """Hash every file of a bundle, a line each. Raises BundleError naming the first that is damaged."""
    bundle = load_bundle(find_bundle(name), verify=True)
    for file in bundle.files:
        print(f"ok  {file.file}  {size_text(file.size)}  sha256 {file.sha256}")


def print_assembled(
    out: Path, given: Mapping[str, Path | None], backbone: Path | None, dialect: str, context: int
) -> None:
    """Make a bundle of GGUF files and say what it is. Raises InputError for what does not fit together."""
    from agent.bundle.assemble import assemble

    if dialect not in get_args(Dialect):
        raise InputError(f"there is no dialect {dialect}", f"there are {' and '.join(get_args(Dialect))}")
    if context < 0:
        raise InputError(f"--context is {context}", "give a number of tokens above 0")
    roles: dict[Role, Path] = {role: path for role in ROLES if (path := given[role])}
    made = assemble(out, roles, backbone=backbone, dialect=cast(Dialect, dialect), context_length=context)
    print(f"{one_line(str(made.folder))}: {made.layout}, {made.context_length} tokens of context")


def print_pulled(repository: str, name: str | None) -> None:
    """Download a bundle from the hub and say what it is. Raises UmiError as `agent.bundle.pull.pull` does."""
    from agent.bundle.pull import pull
    from tui.cli.transfer import Transfer

    transfer = Transfer(sys.stderr)
    try:
        made = pull(repository, name, transfer.tell)
    except KeyboardInterrupt:
        transfer.clear()
        print("umi: stopped; give the same command again to go on", file=sys.stderr)
        raise
    finally:
        transfer.clear()
    size = size_text(sum(file.size for file in made.files))
    licence = one_line(made.license) or "not given"
    print(f"{one_line(str(made.folder))}: {made.layout}, {size}, licence {licence}")
    print(f"run it with: umi models use {made.folder.name}", file=sys.stderr)


def remove_bundle(name: str, *, yes: bool) -> int:
    """Delete a bundle of the user's own, asked for at the terminal unless `yes`; the exit code.

    Raises InputError where it may not be deleted, or there is nobody to ask.
    """
    folders = removable_folders(name)
    size = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
    if not yes:
        if not (sys.stdin and sys.stdin.isatty()):
            raise InputError(f"removing {name} is for good, and there is nobody to ask", "add --yes")
        shown = " and ".join(one_line(str(folder)) for folder in folders)
        print(f"remove {shown} ({size_text(size)})? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("nothing was removed", file=sys.stderr)
            return 130
    was_selected = store.remove_bundle(name)
    print(f"removed {one_line(name)} ({size_text(size)})")
    if was_selected:
        print(f"from now on umi runs {SHIPPED.name}, the models it ships")
    return 0


def print_settings() -> None:
    """The engine's settings, a line each; a star marks what the user changed."""
    from agent.settings import EngineSettings, engine_settings, setting_descriptions

    settings, default = engine_settings(), EngineSettings()
    for name, description in setting_descriptions().items():
        value = getattr(settings, name)
        changed = "*" if value != getattr(default, name) else " "
        print(f"{changed} {name:16}{json.dumps(value).strip(chr(34)):8}{description}")


def use_bundle(name: str) -> None:
    """Pick a bundle for every later run. Raises InputError where it cannot run."""
    folder: Path = select_bundle(name)
    print(f"from now on umi runs {one_line(str(folder))}")
