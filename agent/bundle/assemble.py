"""A bundle from GGUF files that exist: three models, one backbone with three adapters, or one stock model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agent.bundle import MANIFEST, Bundle, Dialect, Layout, Sampling, mend, write_bundle
from agent.bundle.manifest import SHORTEST_CONTEXT
from agent.errors import InputError, UmiError
from agent.llama.engine import LlamaEngine
from agent.llama.model import Model
from agent.settings import EngineSettings
from agent.transcript import ROLES, Role

MAX_TOKENS: Mapping[Role, int] = {"planner": 256, "caller": 512, "summarizer": 512}
"""The longest turn of each role, in tokens."""
LONGEST_CONTEXT = 8192
"""Tokens of context where none are asked for: the cache grows with it."""
_PART = ".part"


def assemble(
    out: Path,
    roles: Mapping[Role, Path],
    *,
    backbone: Path | None = None,
    dialect: Dialect = "umi",
    context_length: int = 0,
) -> Bundle:
    """Make a bundle in `out`: merged from three models in `roles`; with a `backbone`, shared with three
    adapters in `roles`, or single without any.

    The files are linked where the file system can, else copied. A `context_length` of 0 takes what all models
    were made for, up to LONGEST_CONTEXT. Raises InputError or BundleError where the files do not make a
    bundle or cannot be written, EngineError where they do not fit in memory; nothing is left then.
    """
    layout: Layout = "merged" if backbone is None else "shared" if roles else "single"
    missing = [role for role in ROLES if role not in roles]
    if layout != "single" and missing:
        need = "all three adapters, or none," if backbone else "all three models, or --backbone,"
        raise InputError(f"{need} are needed, and --{missing[0]} is not given", "give the missing file")
    for path in (*roles.values(), *([backbone] if backbone else [])):
        if not path.is_file():
            raise InputError(f"there is no file {path}", "give GGUF files that exist")
    length = _context([backbone] if backbone else list(roles.values()), context_length)
    out = out.absolute()
    try:
        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file", "give another folder")
        if out.is_dir() and any(path.name != _PART for path in out.iterdir()):
            raise InputError(f"{out} is there and not empty", "give another folder")
        made = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        try:
            return _fill(out, roles, backbone, layout, dialect, length)
        except BaseException:
            shutil.rmtree(out / _PART, ignore_errors=True)
            if made:
                out.rmdir()
            raise
    except OSError as error:
        raise InputError(
            f"{out} cannot be written: {error.strerror or error}", "give another folder, or make room"
        ) from None


def _fill(
    out: Path,
    roles: Mapping[Role, Path],
    backbone: Path | None,
    layout: Layout,
    dialect: Dialect,
    context_length: int,
) -> Bundle:
    """Make the bundle in a folder inside `out`, load it, and only then move it to its place."""
    part = out / _PART
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    given = {f"{role}.gguf": path for role, path in roles.items()}
    if backbone:
        given["backbone.gguf"] = backbone
    for name, path in given.items():
        _place(path, part / name)
    placed: dict[Role, str] = {role: f"{role}.gguf" for role in roles}
    one: dict[Role, str] = dict.fromkeys(ROLES, "backbone.gguf")
    try:
        bundle = write_bundle(
            part,
            name=out.resolve().name,
            context_length=context_length,
            files=one if backbone else placed,
            adapters=placed if layout == "shared" else None,
            layout=layout,
            dialect=dialect,
            sampling={role: Sampling(max_tokens=MAX_TOKENS[role]) for role in ROLES},
        )
        LlamaEngine(bundle, EngineSettings(threads=1, disk=False)).close()
    except UmiError as error:
        what = error.what
        for name, path in given.items():
            what = what.replace(str(part / name), str(path))
        hint = error.hint if error.hint != mend(part) else "give GGUF files that belong together"
        raise type(error)(what, hint) from None
    # The manifest last: a folder with one is whole.
    for path in sorted(part.iterdir(), key=lambda path: path.name == MANIFEST):
        path.rename(out / path.name)
    part.rmdir()
    return replace(bundle, folder=out)


def _context(models: Sequence[Path], asked: int) -> int:
    """The context of a bundle of `models` in tokens: what was asked for, or 0 for as much as all can."""
    longest, shortest_of = min((_declared(path), path) for path in models)
    if longest < SHORTEST_CONTEXT:
        raise InputError(
            f"{shortest_of} was made for {longest} tokens, and umi needs {SHORTEST_CONTEXT}",
            "give models with a longer context",
        )
    if asked and asked < SHORTEST_CONTEXT:
        raise InputError(f"--context is {asked}", f"give at least {SHORTEST_CONTEXT} tokens")
    if asked > longest:
        raise InputError(
            f"--context is {asked} and {shortest_of} was made for {longest} tokens",
            f"give --context {longest} or less",
        )
    return asked or min(longest, LONGEST_CONTEXT)


def _declared(path: Path) -> int:
    """The context that a model was made for, in tokens."""
    model = Model(path, hint="give GGUF files of models, and adapters beside a --backbone")
    try:
        return model.declared_context
    finally:
        model.close()


def _place(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
