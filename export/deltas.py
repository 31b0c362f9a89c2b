"""Deltas: the adapters of a run as files of a bundle, and the GGUF base that its models are built over.

The run's base has to be a checkpoint that was imported from that GGUF file. The models that the proof
compares with torch are built here by the function that builds them elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf

from agent.bundle.deltas.merge import merge, read_base, read_delta
from agent.bundle.download.catalogue import read_catalogue
from agent.bundle.manifest import BaseFile
from agent.errors import InputError
from agent.llama.binding.gguf_model import open_gguf
from agent.paths import bases_folder, sha256_of
from agent.transcript import ROLES, Role
from export.base_import import IMPORT_RECORD
from export.card.modelfile import role_template
from export.card.provenance import provenance
from export.gguf.adapter import AdapterType, write_adapter
from export.gguf.backbone_fingerprint import add_fingerprint, write_fingerprint
from export.options import Options
from export.proof.tokenizer import check_tokenizer, marker_id
from train.model.weights.adapter import read_adapter
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

    def write(self, run: Run, stage: str, kind: AdapterType) -> list[Path]:
        """Write the adapters of a stage in `kind`, unless they are there; return them in order of addition.

        Their metadata is that of the models built of them: chat template, end token, provenance.
        """
        files = []
        for folder in run.adapters(stage):
            files.append(file := self.folder / f"{folder.name}-delta-{kind}.gguf")
            if file.is_file():
                continue
            own_role: Role | None = next((role for role in ROLES if role == folder.name), None)
            extra = {
                **provenance(run, folder.name, self.hashes, "original", self.options.license),
                gguf.Keys.General.NAME: f"{self.options.name}-{folder.name}",
                gguf.Keys.Tokenizer.CHAT_TEMPLATE: role_template(run.markers, own_role or "planner"),
                gguf.Keys.Tokenizer.EOS_ID: marker_id(run.base, run.markers),
                gguf.Keys.Tokenizer.ADD_BOS: False,
            }
            write_adapter(read_adapter(folder), run.base, file, kind, extra=extra)
        return files


def find_base(run: Run) -> tuple[BaseFile, Path]:
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


def require_reproducible(options: Options) -> None:
    """Raise InputError for an option whose result cannot be built elsewhere."""
    if options.merge_base == "dequant":
        raise InputError(
            "--merge-base dequant adds adapters to 4-bit weights, and deltas are added to the base's own",
            "leave it out",
        )
    if isinstance(options.imatrix, Path):
        raise InputError("deltas are built without an importance matrix", "leave --imatrix out")


def build_from_deltas(deltas: Deltas, run: Run, stage: str, kind: AdapterType, file: Path) -> None:
    """Replace a stage's f32 file by the one that is built of its deltas in `kind`.

    Raise UmiError where it tokenizes otherwise than the run's base, or cannot be written.
    """
    merge(read_base(deltas.path), [read_delta(delta) for delta in deltas.write(run, stage, kind)], file)
    with open_gguf(file, 64) as model:
        check_tokenizer(model, run.base)


def fingerprint_backbone(deltas: Deltas, run: Run, stage: str, kind: AdapterType, file: Path) -> str:
    """Add the fingerprint of an f32 file to its metadata and to that of its last delta; return it."""
    fingerprint = add_fingerprint(file)
    write_fingerprint(deltas.write(run, stage, kind)[-1], fingerprint)
    return fingerprint
