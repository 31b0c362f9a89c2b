"""A finished run as a bundle that `umi` loads: merged, converted, compared, quantized, described.

Everything is made in a folder beside the bundle's and moved into its place at the end, so a bundle that is
there is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from agent.bundle import MANIFEST, Bundle, Sampling, load_bundle, write_bundle
from agent.bundle.manifest import SHORTEST_CONTEXT, Layout, parse_manifest
from agent.errors import BundleError, InputError, cannot_write
from agent.prompting.encoding import load_tokenize
from agent.transcript import ROLES, Role
from export.build_folder import open_build_folder
from export.card.card import card
from export.card.modelfile import modelfiles
from export.card.provenance import portable, portable_stages
from export.gguf.architectures import find_architecture
from export.gguf.convert import read_config
from export.job import ExportJob
from export.layouts.merged import export_merged, export_single, role_keys
from export.layouts.shared import export_shared
from export.options import Options, Say
from export.proof.tokenizer import digest
from export.quantize.imatrix import load
from export.run import Run, hash_base, load_run, require_own_adapters

MAX_TOKENS: Mapping[Role, int] = {"planner": 256, "caller": 512, "summarizer": 512}
"""The longest turn of each role, in tokens."""
LONGEST_CONTEXT = 32768
"""Tokens a bundle declares at most, whatever its base could hold: the cache grows with it."""
_EXPORTS = {"merged": export_merged, "shared": export_shared, "single": export_single}


def export_bundle(folder: Path, out: Path, options: Options, say: Say) -> Bundle:
    """Make a bundle of the run in `folder` at `out`, replacing a bundle that is there.

    An export of the same run that was stopped is gone on with. Raises InputError where the run is not
    finished, its base another one or of an architecture that is not known, `out` is something else or the
    layout not the run's, and UmiError where a file cannot be written or does not say what its model says.
    """
    run, out = load_run(folder), out.resolve()
    layout = fitting_layout(run, options.layout)
    put_back(out)
    _require_replaceable(out, say)
    config = read_config(run.base)
    find_architecture(config, str(run.base))
    declared = config["max_position_embeddings"]
    if options.context_length and not SHORTEST_CONTEXT <= options.context_length <= declared:
        raise InputError(
            f"--context is {options.context_length} and {run.base} was made for {declared} tokens",
            f"give {SHORTEST_CONTEXT} to {declared}",
        )
    if isinstance(options.imatrix, Path):
        load(options.imatrix)  # a mistake shows before anything is made
    require_own_adapters(run)
    base = hash_base(run, say)
    try:
        with open_build_folder(out, role_keys(run, options, base) if layout == "merged" else {}, say) as work:
            made = _EXPORTS[layout](ExportJob(run, base, work, options, say))
            export = {
                "tokenizer": {"sha256": digest(load_tokenize(run.base))},
                "limits": asdict(options.limits),
                **made.metrics,
            }
            bundle = write_bundle(
                work.bundle,
                name=options.name,
                context_length=options.context_length or min(declared, LONGEST_CONTEXT),
                files=made.models,
                adapters=made.adapters,
                layout=layout,
                sampling={role: Sampling(max_tokens=MAX_TOKENS[role]) for role in ROLES},
                grounded=options.grounded,
                markers=run.markers,
                license=options.license,
                recipe=portable(run),
                metrics={"train": portable_stages(run), "export": export},
            )
            for name, text in {"README.md": card(bundle), **modelfiles(bundle)}.items():
                (work.bundle / name).write_text(text, encoding="utf-8")
            move(work.bundle, out)
    except OSError as error:
        raise cannot_write(error.filename or out, error) from None
    return load_bundle(out, verify=True)


def _require_replaceable(out: Path, say: Say) -> None:
    """Raise InputError where `out` is there and holds what no export has put there."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST).is_file():
        raise InputError(f"{out} is there and no bundle", "give another --out, or remove it")
    try:
        old = parse_manifest(out, json.loads((out / MANIFEST).read_text(encoding="utf-8")))
    except (ValueError, RecursionError, BundleError) as error:
        raise InputError(f"{out} holds a bundle that is damaged ({error})", "remove it first") from None
    known = {MANIFEST, "README.md", *modelfiles(old), *(file.file for file in old.files)}
    if other := sorted(path.name for path in out.iterdir() if path.name not in known):
        raise InputError(
            f"{out} holds {other[0]}{' and more' if other[1:] else ''}, which is no part of the bundle there",
            "move that away, or give another --out",
        )
    say(f"bundle: {old.name} in {out} will be replaced once the new one is whole")


def fitting_layout(run: Run, wanted: Layout | None) -> Layout:
    """The layout that a run's adapters are for. Raises InputError where another one is wanted."""
    if run.activated:
        fitting: Layout = "shared"
        reason = "its adapters are on only from a role's header, and merged they would be on for all tokens"
    elif run.shares_one_model:
        fitting = "single"
        reason = "one adapter plays all roles"
    else:
        fitting = "merged"
        reason = "its adapters are on for every token, so each role would need a cache of its own"
    if wanted not in (None, fitting):
        other = {"merged": "adapter=lora", "shared": "adapter=alora", "single": "method=multi-task"}[wanted]
        raise InputError(
            f"{run.folder} does not make a {wanted} bundle: {reason}",
            f"leave --layout out, which makes it {fitting}, or train with {other}",
        )
    return fitting


def move(made: Path, out: Path) -> None:
    """Put the folder `made` in the place of `out`; the old one is there until the new one is."""
    old = _old(out)
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    try:
        made.rename(out)
    except OSError:
        put_back(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def put_back(out: Path) -> None:
    """Put the old bundle back where `move` was killed before the new one was in its place."""
    if _old(out).is_dir() and not out.exists():
        _old(out).rename(out)


def _old(out: Path) -> Path:
    return out.with_name(f".{out.name}.old")
