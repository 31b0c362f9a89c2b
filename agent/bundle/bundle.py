"""Reading, checking and writing bundles: folders with the models of the three roles and `bundle.json`.

This module knows nothing of llama.cpp. The manifest is written last, so a folder that has one is complete.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from agent.bundle.files import BaseFile, BundleFile
from agent.bundle.manifest import (
    FORMAT,
    MANIFEST,
    Bundle,
    Dialect,
    Layout,
    Sampling,
    parse_manifest,
    repair_hint,
)
from agent.errors import BundleError
from agent.paths import read_json, sha256_of, write_atomically
from agent.prompting import CHATML, PROMPT_VERSION, Markers
from agent.transcript import ROLES, Role

ALWAYS_HASHED_BYTES = 64 * 1024 * 1024
"""Files up to this size are hashed at every load (well under 0.1 s each); larger ones only when asked."""


def load_bundle(folder: Path, *, verify: bool = False) -> Bundle:
    """Return the bundle in `folder`, its files checked against the manifest.

    Files of up to ALWAYS_HASHED_BYTES are hashed; all files with `verify`. Raise BundleError naming the first
    fault.
    """
    if not folder.is_dir():
        what = "is a file, not a folder of models" if folder.exists() else "does not exist"
        raise BundleError(f"{folder} {what}", repair_hint(folder))
    path = folder / MANIFEST
    try:
        manifest = read_json(path)
    except FileNotFoundError:
        raise BundleError(
            f"{folder} has no {MANIFEST}, so it is not a model bundle", repair_hint(folder)
        ) from None
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}", repair_hint(folder)) from None
    except json.JSONDecodeError:
        raise BundleError(f"{path} is damaged: it is not JSON", repair_hint(folder)) from None
    except ValueError as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeError) else error
        raise BundleError(f"{path} is damaged: {reason}", repair_hint(folder)) from None
    bundle = parse_manifest(folder, manifest)
    check_prompt_version(bundle)
    for file in bundle.files:
        _check_file(folder, file, verify=verify)
    return bundle


def write_bundle(
    folder: Path,
    *,
    name: str,
    context_length: int,
    files: Mapping[Role, str],
    adapters: Mapping[Role, str] | None = None,
    tables: Mapping[Role, str] | None = None,
    layout: Layout = "merged",
    dialect: Dialect = "umi",
    sampling: Mapping[Role, Sampling] | None = None,
    grounded: Collection[Role] = (),
    markers: Markers = CHATML,
    license: str = "",
    recipe: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    base: BaseFile | None = None,
    deltas: Mapping[Role, Sequence[str]] | None = None,
    types: Mapping[Role, str] | None = None,
) -> Bundle:
    """Write a manifest of GGUF files in `folder` and return the bundle as `load_bundle` would.

    `files` names each role's model (several roles may name one), `adapters` each role's adapter in the shared
    layout, `tables` its n-gram table; `grounded` are the roles whose digits are limited to those of the
    question and its observations. With a `base` the bundle is one of deltas: `deltas` names the adapters that
    each role's model is built from, `types` its quantization, and the models, which have to be there now, are
    not part of the bundle.
    Raises BundleError where a file is unusable or the files do not make `layout`.
    """
    records: dict[str, dict[str, Any]] = {}

    def record(role: Role, file: str) -> dict[str, Any]:
        if file not in records:
            path = folder / file
            if not path.is_file():
                raise BundleError(f"the {role}'s model {path} does not exist", "export it first")
            records[file] = _record(path)
        return records[file]

    roles = {
        role: {
            **record(role, files[role]),
            "sampling": asdict((sampling or {}).get(role, Sampling())),
            "grounded": role in grounded,
            "adapter": record(role, adapters[role]) if adapters and role in adapters else None,
            **({"table": record(role, tables[role])} if tables and role in tables else {}),
            **(
                {"deltas": [record(role, file) for file in deltas[role]], "type": types[role]}
                if base and deltas and types
                else {}
            ),
        }
        for role in ROLES
    }
    manifest = {
        "format": FORMAT,
        "name": name,
        "dialect": dialect,
        "prompt_version": PROMPT_VERSION,
        "layout": layout,
        "context_length": context_length,
        "markers": asdict(markers),
        "roles": roles,
        "license": license,
        "recipe": dict(recipe or {}),
        "metrics": dict(metrics or {}),
        **({"base": asdict(base)} if base else {}),
    }
    bundle = parse_manifest(folder, manifest)
    for file in bundle.files:
        _check_file(folder, file, verify=False)
    _write_manifest(folder, manifest)
    return bundle


def with_biases(bundle: Bundle, call_bias: float, result_bias: float) -> Bundle:
    """Write the biases of a stock model into the manifest of `bundle` and return the updated bundle."""
    manifest = read_json(bundle.folder / MANIFEST)
    _write_manifest(bundle.folder, {**manifest, "call_bias": call_bias, "result_bias": result_bias})
    return replace(bundle, call_bias=call_bias, result_bias=result_bias)


def with_tables(bundle: Bundle, tables: Mapping[Role, str]) -> Bundle:
    """Name the n-gram tables, files in its folder, in the manifest of `bundle`; return the new bundle."""
    manifest = read_json(bundle.folder / MANIFEST)
    for role, name in tables.items():
        manifest["roles"][role]["table"] = _record(bundle.folder / name)
    _write_manifest(bundle.folder, manifest)
    return load_bundle(bundle.folder)


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    write_atomically(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")


def _record(path: Path) -> dict[str, Any]:
    return {"file": path.name, "sha256": sha256_of(path), "size": path.stat().st_size}


def check_prompt_version(bundle: Bundle) -> None:
    """Raise BundleError if a bundle was trained with another version of the prompts."""
    back = "go back with: umi models use umi-mini"
    if bundle.prompt_version != PROMPT_VERSION:
        raise BundleError(
            f"{bundle.name} was trained with prompt version {bundle.prompt_version}"
            f" and this umi speaks version {PROMPT_VERSION}",
            f"train and export it again (umi export bundle), or {back}",
        )


def _check_file(folder: Path, file: BundleFile, *, verify: bool) -> None:
    path = folder / file.file
    try:
        size = path.stat().st_size
        if size != file.size:
            raise BundleError(
                f"{path} is {'truncated' if size < file.size else 'not the file it was'}:"
                f" {size} bytes, and {file.size} were written",
                repair_hint(folder),
            )
        with path.open("rb") as opened:
            if opened.read(len(file.magic)) != file.magic:
                raise BundleError(f"{path} is damaged: it is not a {file.kind}", repair_hint(folder))
        if (verify or size <= ALWAYS_HASHED_BYTES) and sha256_of(path) != file.sha256:
            raise BundleError(
                f"{path} is damaged: its sha256 is not the one in {MANIFEST}", repair_hint(folder)
            )
    except FileNotFoundError:
        raise BundleError(f"{path} is missing", repair_hint(folder)) from None
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}", repair_hint(folder)) from None
