"""`umi train base import`: a GGUF file as a checkpoint to train, verified to be the same model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from agent.bundle.download.bases import find_base
from agent.errors import InputError, UmiError, cannot_write
from agent.paths import bases_folder, replacing, sha256_of
from export.gguf.checkpoint import checkpoint_bytes, import_checkpoint
from export.gguf.reader import GgufFile, read_gguf
from export.options import Say
from export.proof.imported import is_quantized_or_half, prove_import

IMPORT_RECORD = "import.json"
"""File in an imported checkpoint folder: `source` (a file name), `sha256` and `bytes` of the GGUF file, and
the figures of `prove_import`."""


def import_base(source: str, out: Path | None, say: Say) -> Path:
    """Make a checkpoint folder of `source`, a GGUF file or the name of a base that was pulled; return it.

    `out` is by default a folder among the user's bases; an earlier import there is replaced. Raise InputError
    if the file cannot be read or `out` exists and is not an import, UmiError if the checkpoint differs from
    the file or cannot be written. An import that fails leaves nothing behind.
    """
    path = find_gguf(source)
    out = out or _default_folder(path)
    if out.exists() and not (out / IMPORT_RECORD).is_file():
        raise InputError(f"{out} already exists", "name another folder with --out, or remove it")
    file = read_gguf(path)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _require_space(file, out)
        with replacing(out, out.with_name(f".{out.name}.part")) as partial:
            import_checkpoint(file, partial, say)
            scratch = partial / "scratch"
            scratch.mkdir()
            figures = prove_import(file, partial, scratch, say)
            shutil.rmtree(scratch)
            origin = {"source": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}
            record = json.dumps({**origin, **figures}, indent=2)
            (partial / IMPORT_RECORD).write_text(record + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error) from None
    for line in describe(figures):
        say(line)
    return out


def find_gguf(source: str) -> Path:
    """Return the GGUF file `source`: a path, or the name of a base that `umi models pull` brought.

    Raise InputError if there is none.
    """
    path = Path(source)
    if path.is_file():
        return path
    if path.exists() or path.suffix == ".gguf" or path.name != source:
        raise InputError(f"{source} is not a file", "name a GGUF file, or a base that umi models pull knows")
    return find_base(source).path


def describe(figures: dict[str, Any]) -> list[str]:
    """Return the figures of `prove_import` as lines of text."""
    lines = [f"tokenizer: equal in {figures['tokenizer_comparisons']} comparisons"]
    if "tensors_equal" in figures:
        lines[0] += f"; all {figures['tensors_equal']} tensors are the file's"
    if logits := figures["logits"]:
        lines.append(
            f"logits against llama.cpp: off by {logits['largest_difference']:.2g} at most, of"
            f" {logits['largest_logit']:.3g}; the same best token at {logits['agreed']} of"
            f" {logits['positions']} positions, {logits['near_ties']} near-ties set aside"
        )
    return lines


def _default_folder(path: Path) -> Path:
    """Return the checkpoint folder beside a pulled base, or, for any other file, one named after it."""
    pulled = path.resolve().parent.parent == bases_folder().resolve()
    return (path.parent if pulled else bases_folder() / path.stem) / "checkpoint"


def _require_space(file: GgufFile, out: Path) -> None:
    """Raise UmiError where the disk has no room for the checkpoint and the f32 file it is compared in."""
    needed = checkpoint_bytes(file, float32=False)
    if is_quantized_or_half(file):
        needed += checkpoint_bytes(file, float32=True)
    free = shutil.disk_usage(out.parent).free
    if free < needed:
        raise UmiError(
            f"{file.path.name} takes {needed / 1e6:.0f} MB of disk while it is imported, and {out.parent}"
            f" has {free / 1e6:.0f} MB free",
            "free space, or name another folder with --out",
        )
