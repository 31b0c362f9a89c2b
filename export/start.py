"""`umi train start`: the adapter of a bundle as a run whose stage 1 other runs go on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.bundle import Bundle, load_bundle
from agent.bundle.deltas.merge import read_delta
from agent.bundle.store import find_bundle
from agent.errors import InputError, cannot_write
from agent.paths import replacing
from export.base_import import IMPORT_RECORD
from export.deltas import find_deltas
from export.gguf.adapter import import_delta
from train.model.weights.adapter import save_adapter
from train.run.files import BACKBONE, RECIPE
from train.run.folder import read_json, start_record, write_json


def import_start(source: str, base: Path, out: Path) -> Path:
    """Write the adapter of a bundle, over its base in `base`, to the new run folder `out`; return `out`.

    `source` is the folder or the name of a bundle of deltas whose roles share one adapter, `base` the
    checkpoint that `umi train base import` made of the bundle's base. The run holds its recipe and its
    stage 1, and no metrics. Raise InputError where the bundle has no such adapter or is over another base,
    and where `out` exists.
    """
    if out.exists():
        raise InputError(f"{out} already exists", "name another folder with --out, or remove it")
    bundle = find_deltas(whole := load_bundle(find_bundle(source)))
    if bundle is None:
        raise InputError(f"{whole.name} is whole models, not an adapter", "name a bundle of deltas")
    file = _only_adapter(bundle)
    _require_base(bundle, base)
    record = start_record(_recipe(bundle), base, out, bundle.name)
    adapter, lora = import_delta(read_delta(file), base), record["recipe"]["lora"]
    if (adapter.rank, adapter.scale) != (lora["rank"], lora["alpha"] / lora["rank"]):
        raise InputError(f"{file} is damaged: it is not of the rank that its recipe names", "get it again")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out, out.with_name(f".{out.name}.part")) as partial:
            save_adapter(adapter, partial / BACKBONE)
            write_json(partial / RECIPE, record)
    except OSError as error:
        raise cannot_write(out, error) from None
    return out


def _only_adapter(bundle: Bundle) -> Path:
    files = {delta.file for role in bundle.roles.values() for delta in role.deltas}
    if len(files) != 1:
        raise InputError(
            f"the roles of {bundle.name} have {len(files)} adapters, and stage 1 goes on from one",
            "name a bundle of one model for all roles, such as umi-135m",
        )
    return bundle.folder / files.pop()


def _require_base(bundle: Bundle, base: Path) -> None:
    assert bundle.base
    hint = f"make it: umi models pull {bundle.base.name}, then umi train base import {bundle.base.name}"
    if not (base / IMPORT_RECORD).is_file():
        raise InputError(f"{base} is not a base that umi imported", f"{hint} --out {base}")
    if read_json(base / IMPORT_RECORD).get("sha256") != bundle.base.sha256:
        raise InputError(f"{base} is not the base of {bundle.name}, {bundle.base.file}", hint)


def _recipe(bundle: Bundle) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(json.dumps(dict(bundle.recipe)))
    for key in ("inputs", "averaged"):
        fields.pop(key, None)
    if not fields:
        raise InputError(f"{bundle.name} does not say how it was trained", "name a bundle that umi exported")
    return fields
