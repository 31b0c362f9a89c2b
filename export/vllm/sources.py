"""What vLLM serves of a bundle or of a run: one model, and an adapter for each role where roles have them.

| | model | adapters |
|---|---|---|
| bundle of one model (`single`) | its GGUF file, dequantized | none |
| bundle of deltas, a model for each role | the base that the deltas are over | the roles' |
| run of one adapter for all roles | its base with the adapter merged in | none |
| run of plain adapters | its base, as it was held in training | the roles' |

vLLM does not run activated adapters, and one model in a process: `shared` bundles and those of three whole
models are refused.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.bundle import Bundle, load_bundle
from agent.bundle.deltas.build import open_bundle, require_base
from agent.bundle.deltas.merge import merge, read_base, read_delta
from agent.errors import InputError
from agent.transcript import ROLES, Role
from export.card.modelfile import role_template
from export.deltas import find_deltas
from export.gguf.adapter import import_delta
from export.gguf.checkpoint import import_checkpoint
from export.gguf.reader import read_gguf
from export.options import MergeBase, Say
from export.proof.tokenizer import marker_id
from train.model.weights.adapter import LoraAdapter, read_adapter
from train.model.weights.reader import read_config
from train.run.files import BACKBONE
from train.run.finished import Run, hash_base, load_run, require_own_adapters

_WITH_LLAMA_SERVER = "serve it with llama-server, or train with adapter=lora"


@dataclass(frozen=True)
class Served:
    """A model to be written, and the adapters over it."""

    name: str
    """What the model is called on the server."""
    context_length: int
    write_model: Callable[[Path], None]
    """Writes the checkpoint folder that it is given, which does not exist yet."""
    read_adapters: Callable[[Path], Mapping[Role, Sequence[LoraAdapter]]] = field(default=lambda _: {})
    """Returns the adapters of each role over that checkpoint, which are added up."""


def served_bundle(folder: Path, name: str, say: Say) -> Served:
    """Return what is served of the bundle in `folder`; one of deltas is built first where it has to be.

    Raise InputError where vLLM does not run it, or its base is missing.
    """
    bundle = load_bundle(folder)
    if bundle.dialect != "umi":
        raise InputError(f"{bundle.name} is a stock model", "serve its own checkpoint")
    if bundle.layout == "shared":
        raise InputError(f"{bundle.name} has activated adapters, which vLLM does not run", _WITH_LLAMA_SERVER)
    if bundle.layout == "merged":
        return _served_deltas(_deltas(bundle), name or bundle.name, say)
    built = open_bundle(folder, say)
    file = read_gguf(built.path("planner"))
    return Served(name or bundle.name, bundle.context_length, lambda out: import_checkpoint(file, out, say))


def _deltas(bundle: Bundle) -> Bundle:
    deltas = find_deltas(bundle)
    if deltas is None:
        raise InputError(
            f"{bundle.name} is three whole models, and vLLM runs one in a process",
            "export the run that it is of, or a bundle of deltas",
        )
    return deltas


def _served_deltas(bundle: Bundle, name: str, say: Say) -> Served:
    assert bundle.base
    base = require_base(bundle.name, bundle.base)
    deltas = {
        role: [read_delta(bundle.folder / delta.file) for delta in file.deltas]
        for role, file in bundle.roles.items()
    }
    if len({deltas[role][-1].nf4 for role in ROLES}) > 1:
        raise InputError(f"the roles of {bundle.name} were trained over different bases", "export the run")

    def write_model(out: Path) -> None:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".umi-") as scratch:
            as_trained = replace(deltas["planner"][-1], pairs={})
            file = merge(read_base(base), [as_trained], Path(scratch) / "base.gguf")
            import_checkpoint(read_gguf(file), out, say)

    def read_adapters(model: Path) -> dict[Role, list[LoraAdapter]]:
        return {role: [import_delta(delta, model) for delta in deltas[role]] for role in ROLES}

    return Served(name, bundle.context_length, write_model, read_adapters)


def served_run(folder: Path, name: str, context_length: int, merge_base: MergeBase, say: Say) -> Served:
    """Return what is served of the run in `folder`.

    `merge_base` is as for a bundle; for adapters that are not merged, `auto` is `dequant`.
    Raise InputError where vLLM does not run it, or its files are not those that were trained.
    """
    from export.merge.checkpoint import write_base_checkpoint
    from export.merge.selection import merge_stage

    run = load_run(folder)
    if run.is_alora:
        raise InputError(f"{folder} has activated adapters, which vLLM does not run", _WITH_LLAMA_SERVER)
    require_own_adapters(run)
    hash_base(run, say)

    def write_model(out: Path) -> None:
        if run.has_one_adapter:
            with tempfile.TemporaryDirectory(dir=out.parent, prefix=".umi-") as scratch:
                merge_stage(run, BACKBONE, merge_base, Path(scratch), say).folder.rename(out)
        else:
            write_base_checkpoint(run, "original" if merge_base == "original" else "dequant", out, say)
        _close_turns(run, out)

    def read_adapters(_: Path) -> dict[Role, list[LoraAdapter]]:
        stages = [] if run.has_one_adapter else ROLES
        return {role: [read_adapter(folder) for folder in run.adapters(role)] for role in stages}

    declared = read_config(run.base)["max_position_embeddings"]
    return Served(name, min(context_length or declared, declared), write_model, read_adapters)


def _close_turns(run: Run, model: Path) -> None:
    """Make the close marker the token that ends a generation, and umi's the chat template of `model`."""
    (model / "generation_config.json").unlink(missing_ok=True)  # of the base: its own end and sampling
    for name, fields in (
        ("config.json", {"eos_token_id": marker_id(run.base, run.markers)}),
        ("tokenizer_config.json", {"eos_token": run.markers.close}),
    ):
        path = model / name
        value = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        value.pop("chat_template", None)
        path.write_text(json.dumps(value | fields, indent=2), encoding="utf-8")
    template = role_template(run.markers, "planner")
    (model / "chat_template.jinja").write_text(template, encoding="utf-8")
