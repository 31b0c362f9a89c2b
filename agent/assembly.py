"""A bundle from GGUF files that exist: three models, one backbone with three adapters, or one stock model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agent.bundle import Bundle, Dialect, Layout, Sampling, write_bundle
from agent.errors import InputError
from agent.llama import LlamaEngine
from agent.llama_native import Model
from agent.settings import EngineSettings
from agent.transcript import ROLES, Role

MAX_TOKENS: Mapping[Role, int] = {"planner": 256, "caller": 512, "summarizer": 512}
"""The longest turn of each role, in tokens."""
LONGEST_CONTEXT = 8192
"""Tokens of context where none are asked for: the cache grows with it."""


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

    The files are linked where the file system can, else copied. A `context_length` of 0 takes the model's
    own, up to LONGEST_CONTEXT. Raises InputError or BundleError where the files do not make a bundle; nothing
    is left then.
    """
    layout: Layout = "merged" if backbone is None else "shared" if roles else "single"
    missing = [role for role in ROLES if role not in roles]
    if layout != "single" and missing:
        need = "all three adapters, or none," if backbone else "all three models, or --backbone,"
        raise InputError(f"{need} are needed, and --{missing[0]} is not given", "give the missing file")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there and not empty", "give another folder")
    for path in (*roles.values(), *([backbone] if backbone else [])):
        if not path.is_file():
            raise InputError(f"there is no file {path}", "give GGUF files that exist")
    longest = _declared(backbone or roles["planner"])
    if context_length > longest:
        raise InputError(f"--context is {context_length} and the model was made for {longest} tokens")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        placed: dict[Role, str] = {role: _place(path, part / f"{role}.gguf") for role, path in roles.items()}
        if backbone:
            _place(backbone, part / "backbone.gguf")
        one: dict[Role, str] = dict.fromkeys(ROLES, "backbone.gguf")
        bundle = write_bundle(
            part,
            name=out.name,
            context_length=context_length or min(longest, LONGEST_CONTEXT),
            files=one if backbone else placed,
            adapters=placed if layout == "shared" else None,
            layout=layout,
            dialect=dialect,
            sampling={role: Sampling(max_tokens=MAX_TOKENS[role]) for role in ROLES},
        )
        LlamaEngine(bundle, EngineSettings(threads=1, disk=False)).close()
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return replace(bundle, folder=out)


def _declared(path: Path) -> int:
    """The context that a model was made for, in tokens."""
    model = Model(path, hint="give GGUF files of models, and adapters beside a --backbone")
    try:
        return model.declared_context
    finally:
        model.close()


def _place(source: Path, target: Path) -> str:
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
    return target.name
