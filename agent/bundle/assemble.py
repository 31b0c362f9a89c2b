"""Assembly of a bundle from existing GGUF files.

The files are three models, one backbone and three adapters, or one stock model.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agent.bundle import MANIFEST, Bundle, Dialect, Layout, repair_hint, with_biases, write_bundle
from agent.bundle.manifest import DEFAULT_SAMPLING, SHORTEST_CONTEXT
from agent.config import EngineSettings
from agent.errors import InputError, UmiError
from agent.llama.binding.model import Model
from agent.llama.calibration import measure_biases
from agent.llama.engine import LlamaEngine
from agent.llama.gguf.trial import TrialLoad, require_loadable
from agent.transcript import ROLES, Role

MAX_DEFAULT_CONTEXT = 8192
"""Upper limit of the default context length in tokens; the key-value cache grows with it."""
_PART = ".part"
_HINT = "give GGUF files of models, and adapters beside a --backbone"


def assemble(
    out: Path,
    roles: Mapping[Role, Path],
    *,
    backbone: Path | None = None,
    dialect: Dialect = "umi",
    context_length: int = 0,
    warn: Callable[[str], None] = lambda line: None,
) -> Bundle:
    """Create a bundle in the folder `out` and return it.

    Without a `backbone`, `roles` are three models and the layout is `merged`. With one, `roles` are three
    adapters (layout `shared`) or empty (layout `single`). Files are hard-linked if possible, else copied. A
    `context_length` of 0 is the longest that all models support, up to MAX_DEFAULT_CONTEXT.

    In the dialect `chat` the biases of the model (`call_bias`, `result_bias`) are measured, and `warn` is
    called with one line for each limitation of its chat template.

    Raise InputError or BundleError if the files do not form a bundle or cannot be written, EngineError if
    they do not fit into memory; nothing is left behind then.
    """
    layout: Layout = "merged" if backbone is None else "shared" if roles else "single"
    missing = [role for role in ROLES if role not in roles]
    if layout != "single" and missing:
        need = "all three adapters, or none," if backbone else "all three models, or --backbone,"
        raise InputError(f"{need} are needed, and --{missing[0]} is not given", "give the missing file")
    models = [backbone] if backbone else list(roles.values())
    for path in (*roles.values(), *models):
        if not path.is_file():
            raise InputError(f"there is no file {path}", "give GGUF files that exist")
    require_loadable([TrialLoad(path) for path in dict.fromkeys(models)], _HINT)
    length = _context_length(models, context_length)
    out = out.absolute()
    try:
        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file", "give another folder")
        if out.is_dir() and any(path.name != _PART for path in out.iterdir()):
            raise InputError(f"{out} exists and is not empty", "give another folder")
        created = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        try:
            return _build(out, roles, backbone, layout, dialect, length, warn)
        except BaseException:
            shutil.rmtree(out / _PART, ignore_errors=True)
            if created:
                out.rmdir()
            raise
    except OSError as error:
        raise InputError(
            f"{out} cannot be written: {error.strerror or error}", "give another folder, or make room"
        ) from None


def _build(
    out: Path,
    roles: Mapping[Role, Path],
    backbone: Path | None,
    layout: Layout,
    dialect: Dialect,
    context_length: int,
    warn: Callable[[str], None],
) -> Bundle:
    """Build the bundle in a temporary folder inside `out`, load it, and only then move it to `out`."""
    part = out / _PART
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    sources = {f"{role}.gguf": path for role, path in roles.items()}
    if backbone:
        sources["backbone.gguf"] = backbone
    for name, path in sources.items():
        _link_or_copy(path, part / name)
    role_files: dict[Role, str] = {role: f"{role}.gguf" for role in roles}
    backbone_files: dict[Role, str] = dict.fromkeys(ROLES, "backbone.gguf")
    try:
        bundle = write_bundle(
            part,
            name=out.resolve().name,
            context_length=context_length,
            files=backbone_files if backbone else role_files,
            adapters=role_files if layout == "shared" else None,
            layout=layout,
            dialect=dialect,
            sampling=DEFAULT_SAMPLING,
        )
        engine = LlamaEngine(bundle, EngineSettings(threads=1 if dialect == "umi" else "auto", disk=False))
        try:
            if dialect == "chat":
                for line in engine.warnings:
                    warn(line)
                bundle = with_biases(bundle, *measure_biases(engine))
        finally:
            engine.close()
    except UmiError as error:
        what = error.what
        for name, path in sources.items():
            what = what.replace(str(part / name), str(path))
        hint = error.hint if error.hint != repair_hint(part) else "give GGUF files that belong together"
        raise type(error)(what, hint) from None
    # The manifest last: its presence marks a complete bundle.
    for path in sorted(part.iterdir(), key=lambda path: path.name == MANIFEST):
        path.rename(out / path.name)
    part.rmdir()
    return replace(bundle, folder=out)


def _context_length(models: Sequence[Path], requested: int) -> int:
    """Return the context length in tokens: `requested`, or if 0 the longest that all `models` support."""
    longest, limiting = min((_declared_context(path), path) for path in models)
    if longest < SHORTEST_CONTEXT:
        raise InputError(
            f"{limiting} was made for {longest} tokens, and umi needs {SHORTEST_CONTEXT}",
            "give models with a longer context",
        )
    if requested and requested < SHORTEST_CONTEXT:
        raise InputError(f"--context is {requested}", f"give at least {SHORTEST_CONTEXT} tokens")
    if requested > longest:
        raise InputError(
            f"--context is {requested} and {limiting} was made for {longest} tokens",
            f"give --context {longest} or less",
        )
    return requested or min(longest, MAX_DEFAULT_CONTEXT)


def _declared_context(path: Path) -> int:
    """Return the context length that a model declares, in tokens."""
    model = Model(path, hint=_HINT)
    try:
        return model.declared_context
    finally:
        model.close()


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
