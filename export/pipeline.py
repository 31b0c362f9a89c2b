"""Export a finished run as a bundle: merge, convert, verify, quantize and describe its models.

All files are made in a build folder beside the bundle's, which replaces it at the end, so a bundle is never
incomplete.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.bundle import MANIFEST, Bundle, load_bundle, write_bundle
from agent.bundle.manifest import DEFAULT_SAMPLING, SHORTEST_CONTEXT, Layout, parse_manifest
from agent.errors import BundleError, InputError, cannot_write
from agent.llama.binding.model import Model
from agent.paths import replace_folder, restore_folder
from agent.prompting.encoding import load_tokenize
from agent.transcript import ROLES, Role
from export.build_folder import open_build_folder
from export.card.modelfile import modelfiles
from export.card.provenance import portable_recipe, portable_stages
from export.card.readme import bundle_readme
from export.deltas import Deltas, find_gguf_base, reproducible
from export.gguf.architectures import find_architecture
from export.job import ExportJob
from export.layouts.merged import export_merged, export_single, role_keys
from export.layouts.shared import export_shared
from export.options import LayoutFiles, Options, Say
from export.proof.tokenizer import tokenization_sha256
from export.quantize.calibration import training_rows
from export.quantize.imatrix import load
from export.tables import MAX_ROWS, write_tables
from train.model.weights.reader import read_config
from train.run.files import BACKBONE
from train.run.finished import Run, hash_base, load_run, require_own_adapters

MAX_CONTEXT = 32768
"""The longest default context of a bundle, in tokens: the key-value cache grows with it."""
_METHODS_WITHOUT_ROLES: Mapping[str, str] = {
    "one-model": "one assistant writes thought, call and answer, and the engine asks three roles",
    "two-stage-without-reuse": "its roles read headers and instructions that the engine does not write",
}
"""Training methods that make no models for the three roles of a bundle, and why."""
_EXPORTS = {"merged": export_merged, "shared": export_shared, "single": export_single}


def export_bundle(folder: Path, out: Path, options: Options, say: Say) -> Bundle:
    """Export the run in `folder` as the bundle `out`, replacing a bundle that is there.

    An interrupted export of the same run is continued. Raise InputError if the run is not finished, its base
    has changed or is of an unknown architecture, `out` is not a bundle or the layout is not the run's, and
    UmiError if a file cannot be written or differs from its torch model.
    """
    run, out = load_run(folder), out.resolve()
    layout = choose_layout(run, options.layout)
    restore_folder(out)
    _require_replaceable(out, say)
    config = read_config(run.base)
    find_architecture(config, str(run.base))
    declared = config["max_position_embeddings"]
    if options.context_length and not SHORTEST_CONTEXT <= options.context_length <= declared:
        raise InputError(
            f"--context is {options.context_length} and {run.base} was made for {declared} tokens",
            f"give {SHORTEST_CONTEXT} to {declared}",
        )
    source = None
    if options.deltas:
        options = reproducible(options, run)
        source = find_gguf_base(run)
    if isinstance(options.imatrix, Path):
        load(options.imatrix)  # an unusable file is reported before anything is made
    require_own_adapters(run)
    base = hash_base(run, say)
    try:
        keys = role_keys(run, options, base) if layout == "merged" else {}
        with open_build_folder(out, keys, say) as build:
            deltas = Deltas(*source, build.bundle, base, options) if source else None
            files = _EXPORTS[layout](ExportJob(run, base, build, options, say, deltas))
            export = {
                "tokenizer": {"sha256": tokenization_sha256(load_tokenize(run.base))},
                "limits": asdict(options.limits),
                **files.metrics,
            }
            with closing(Model(build.bundle / files.models["planner"])) as model:
                rows = training_rows(run, MAX_ROWS)
                tables = write_tables(build.bundle, rows, model.vocabulary, run.markers, say)
            bundle = write_bundle(
                build.bundle,
                name=options.name,
                context_length=options.context_length or min(declared, MAX_CONTEXT),
                files=files.models,
                adapters=files.adapters,
                tables=tables,
                layout=layout,
                sampling=DEFAULT_SAMPLING,
                grounded=options.grounded,
                markers=run.markers,
                license=options.license,
                recipe=portable_recipe(run),
                metrics={"train": portable_stages(run), "export": export},
                **(_delta_fields(run, layout, deltas, files) if deltas else {}),
            )
            if deltas:
                kept = {file.file for file in bundle.files}
                for path in build.bundle.glob("*.gguf"):
                    if path.name not in kept:
                        path.unlink()
            for name, text in {"README.md": bundle_readme(bundle), **modelfiles(bundle)}.items():
                (build.bundle / name).write_text(text, encoding="utf-8")
            replace_folder(build.bundle, out)
    except OSError as error:
        raise cannot_write(error.filename or out, error) from None
    return load_bundle(out, verify=True)


def _delta_fields(run: Run, layout: Layout, deltas: Deltas, files: LayoutFiles) -> dict[str, Any]:
    """Return the arguments of `write_bundle` that make a bundle of models one of deltas."""
    stages: dict[Role, str] = {role: role if layout == "merged" else BACKBONE for role in ROLES}
    reports = {role: files.metrics[BACKBONE if layout == "shared" else role] for role in ROLES}
    return {
        "base": deltas.base,
        "deltas": {
            role: [file.name for file in deltas.files(run, stage, reports[role]["adapter_type"])]
            for role, stage in stages.items()
        },
        "types": {role: reports[role]["type"] for role in ROLES},
    }


def _require_replaceable(out: Path, say: Say) -> None:
    """Raise InputError if `out` holds anything but a bundle that an export made."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST).is_file():
        raise InputError(f"{out} exists and is not a bundle", "give another --out, or remove it")
    try:
        existing = parse_manifest(out, json.loads((out / MANIFEST).read_text(encoding="utf-8")))
    except (ValueError, RecursionError, BundleError) as error:
        raise InputError(f"{out} holds a bundle that is damaged ({error})", "remove it first") from None
    known = {MANIFEST, "README.md", *modelfiles(existing), *(file.file for file in existing.files)}
    if unknown := sorted(path.name for path in out.iterdir() if path.name not in known):
        raise InputError(
            f"{out} holds {unknown[0]}{' and more' if unknown[1:] else ''},"
            " which is not part of the bundle there",
            "move that away, or give another --out",
        )
    say(f"bundle: {existing.name} in {out} will be replaced once the new one is whole")


def choose_layout(run: Run, requested: Layout | None) -> Layout:
    """Return the layout that a run's adapters were trained for.

    Raise InputError if another one is requested, or if the run's training method makes no models for a
    bundle.
    """
    method = run.recipe.get("method", "two-stage")
    if method in _METHODS_WITHOUT_ROLES:
        raise InputError(
            f"{run.folder} was trained with method = {method}: {_METHODS_WITHOUT_ROLES[method]}",
            "train with method = two-stage for a bundle",
        )
    if run.is_alora:
        layout: Layout = "shared"
        reason = "its adapters are on only from a role's header, and merged they would be on for all tokens"
    elif run.has_one_adapter:
        layout = "single"
        reason = "one adapter plays all roles"
    else:
        layout = "merged"
        reason = "its adapters are on for every token, so each role would need a cache of its own"
    if requested not in (None, layout):
        settings = {"merged": "adapter=lora", "shared": "adapter=alora", "single": "method=multi-task"}
        raise InputError(
            f"{run.folder} does not make a {requested} bundle: {reason}",
            f"leave --layout out, which makes it {layout}, or train with {settings[requested]}",
        )
    return layout
