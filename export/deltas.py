"""Deltas: the adapters of a run as files of a bundle, and the GGUF base that its models are built over.

The run's base has to be a checkpoint that was imported from that GGUF file. The models that the proof
compares with torch are built here by the function that builds them elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import gguf

from agent.bundle import MANIFEST, Bundle, load_bundle
from agent.bundle.deltas.merge import merge, read_base, read_delta
from agent.bundle.deltas.nf4 import BLOCK_SIZE, Nf4
from agent.bundle.download.catalogue import read_catalogue
from agent.bundle.files import BaseFile
from agent.bundle.manifest import DELTAS
from agent.errors import InputError
from agent.llama.binding.gguf_model import open_gguf
from agent.paths import bases_folder, sha256_of
from agent.transcript import ROLES, Role
from export.base_import import IMPORT_RECORD
from export.card.modelfile import role_template
from export.card.provenance import provenance
from export.gguf.adapter import AdapterType, write_adapter
from export.gguf.architectures import find_architecture, head_width
from export.merge.checkpoint import is_linear
from export.options import Options
from export.proof.tokenizer import check_tokenizer, marker_id
from train.model.weights.adapter import read_adapter
from train.model.weights.reader import StoredTensor, list_tensors, read_config
from train.run.finished import Run


@dataclass(frozen=True)
class Deltas:
    """The GGUF base of a run, and the folder of the adapters that are added to it."""

    base: BaseFile
    path: Path
    """The base on this machine."""
    folder: Path
    hashes: Mapping[str, str]
    """sha256 of each file of the run's base, by name."""
    options: Options

    def files(self, run: Run, stage: str, kind: AdapterType) -> list[Path]:
        """Return the paths of the adapters of a stage in `kind`, in order of addition."""
        return [self.folder / f"{folder.name}-delta-{kind}.gguf" for folder in run.adapters(stage)]

    def write(self, run: Run, stage: str, kind: AdapterType, merge_base: str) -> list[Path]:
        """Write the adapters of a stage in `kind`, unless they are there; return them in order of addition.

        Their metadata is that of the models built of them: chat template, end token, provenance, and with
        `merge_base` `dequant` how the base is rounded to NF4 first.
        """
        files = self.files(run, stage, kind)
        for folder, file in zip(run.adapters(stage), files, strict=True):
            if file.is_file():
                continue
            own_role: Role | None = next((role for role in ROLES if role == folder.name), None)
            extra = {
                **provenance(run, folder.name, self.hashes, merge_base, self.options.license),
                **(_nf4(run, stage).fields if merge_base == "dequant" else {}),
                gguf.Keys.General.NAME: f"{self.options.name}-{folder.name}",
                gguf.Keys.Tokenizer.CHAT_TEMPLATE: role_template(run.markers, own_role or "planner"),
                gguf.Keys.Tokenizer.EOS_ID: marker_id(run.base, run.markers),
                gguf.Keys.Tokenizer.ADD_BOS: False,
            }
            write_adapter(read_adapter(folder), run.base, file, kind, extra=extra)
        return files


def find_deltas(bundle: Bundle) -> Bundle | None:
    """Return the deltas that `bundle` is or was built of; None where there are none."""
    if bundle.base is None and (bundle.folder / DELTAS / MANIFEST).is_file():
        bundle = load_bundle(bundle.folder / DELTAS)
    return bundle if bundle.base else None


def find_gguf_base(run: Run) -> tuple[BaseFile, Path]:
    """Return the GGUF base of a run, which is one of the user's bases.

    Raise InputError if the run's base was not imported from a GGUF file, or that file is not among them.
    """
    if run.recipe.get("hand_over") == "merge16":
        raise InputError(
            f"the roles of {run.folder} are over a base that stage 1 was merged into, which nobody else has",
            "train with hand_over=continue, or export without --deltas",
        )
    try:
        record = json.loads((run.base / IMPORT_RECORD).read_text(encoding="utf-8"))
        file, sha256, size = str(record["source"]), str(record["sha256"]), int(record["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{run.base} was not imported from a GGUF file, so nobody else can build over it",
            "train on a base that umi train base import made, or export without --deltas",
        ) from None
    for path in sorted(bases_folder().glob("[!.]*/*.gguf")):
        if path.stat().st_size == size and sha256_of(path) == sha256:
            name = path.parent.name
            sources = [
                entry.hub for entry in read_catalogue() if (entry.name, entry.sha256) == (name, sha256)
            ]
            hub = next((hub for hub in sources if hub and hub.revision), None)
            repository, revision = (hub.repository, hub.revision or "") if hub else ("", "")
            return BaseFile(path.name, sha256, size, name, repository, revision), path
    raise InputError(
        f"{file}, which {run.base} was imported from, is not among the bases in {bases_folder()}",
        "get it with umi models pull, or export without --deltas",
    )


def reproducible(options: Options, run: Run) -> Options:
    """Return `options` without what could not be built elsewhere.

    Raise InputError where one was asked for by name.
    """
    if isinstance(options.imatrix, Path):
        raise InputError("deltas are built without an importance matrix", "leave --imatrix out")
    odd = next((one for one in _quantized_tensors(run) if one.shape[-1] % BLOCK_SIZE), None)
    if odd is None:
        return replace(options, imatrix="none")
    if options.merge_base == "dequant":
        raise InputError(
            f"{odd.name} of {run.base} has rows of {odd.shape[-1]} numbers, no multiple of {BLOCK_SIZE}, so"
            " deltas over its NF4 weights cannot be built elsewhere",
            "leave --merge-base out",
        )
    return replace(options, imatrix="none", merge_base="original")


def build_from_deltas(
    deltas: Deltas, run: Run, stage: str, kind: AdapterType, merge_base: str, file: Path
) -> list[Path]:
    """Replace a stage's f32 file by the one that is built of its deltas in `kind`; return the deltas.

    Raise UmiError where it tokenizes otherwise than the run's base, or cannot be written.
    """
    files = deltas.write(run, stage, kind, merge_base)
    merge(read_base(deltas.path), [read_delta(delta) for delta in files], file)
    with open_gguf(file, 64) as model:
        check_tokenizer(model, run.base)
    return files


def _nf4(run: Run, stage: str) -> Nf4:
    """Return how a stage's training held the base."""
    config = read_config(run.base)
    family = find_architecture(config, str(run.base))
    stored = next(_quantized_tensors(run)).dtype
    return Nf4(
        run.recipe["double_quant"],
        run.loaded_dtype(stage, stored),
        head_width(config) if family.interleaved_rope else 0,
    )


def _quantized_tensors(run: Run) -> Iterator[StoredTensor]:
    """Yield the tensors of a run's base that training held in 4 bits."""
    if run.recipe["quantization"] == "nf4":
        yield from filter(is_linear, list_tensors(run.base))
