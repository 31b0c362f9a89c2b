"""A GGUF file as a Hugging Face checkpoint folder, without torch and a block of rows at a time.

The inverse of `export.gguf.convert`: quantized tensors become float32, others keep their type.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from agent.errors import InputError
from export.gguf.architectures import FAMILIES, find_family
from export.gguf.hyperparameters import read_hyperparameters
from export.gguf.reader import GgufFile
from export.gguf.tensors import Weight, bias_flags, plan_weights
from export.gguf.tokenizer_files import read_vocabulary, write_tokenizer
from export.gguf.vocabulary import Vocabulary
from export.progress import ThrottledProgress
from train.model.weights.reader import SINGLE, StoredTensor
from train.model.weights.writer import output_bytes, write_checkpoint

_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


def import_checkpoint(file: GgufFile, out: Path, say: Callable[[str], None]) -> None:
    """Write the model in a GGUF file as the checkpoint folder `out`, which appears whole.

    `say` is called with lines of progress. Raise InputError for a family, a tokenizer or a tensor that cannot
    be read, OSError where `out` cannot be written.
    """
    if (kind := file.metadata.get("general.type", "model")) != "model":
        raise InputError(f"{file.path} holds no model ({kind})", "name the file of a whole model")
    name = find_family(file.metadata.get("general.architecture"), str(file.path))
    family = FAMILIES[name]
    config = read_hyperparameters(file, name)
    vocabulary = read_vocabulary(file)
    config["vocab_size"] = len(vocabulary.tokens)
    weights = plan_weights(file, config, family)
    config |= bias_flags(weights, family) | _token_ids(vocabulary)
    config["tie_word_embeddings"] = "lm_head.weight" not in {weight.name for weight in weights}
    config["dtype"] = _common_type(weights)
    sources = {weight.name: weight for weight in weights}
    tensors = [_stored(weight) for weight in weights]
    total, written = output_bytes(tensors, float32=False), 0
    progress = ThrottledProgress(say)

    def on_written(count: int) -> None:
        nonlocal written
        written += count
        progress(f"{file.path.name}: {written / 1e6:.0f} of {total / 1e6:.0f} MB")

    def contents(tensor: StoredTensor) -> Iterator[NDArray[Any]]:
        return sources[tensor.name].blocks()

    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".umi-") as metadata:
        folder = Path(metadata)
        (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        write_tokenizer(vocabulary, folder, str(file.path))
        write_checkpoint(folder, tensors, contents, out, on_written=on_written)


def checkpoint_bytes(file: GgufFile, *, float32: bool) -> int:
    """Return the bytes of a file's tensors in a checkpoint, or all in float32."""
    return sum(
        prod(tensor.shape) * (4 if float32 else _BYTES.get(tensor.type.name, 4))
        for tensor in file.tensors.values()
    )


def _stored(weight: Weight) -> StoredTensor:
    """Return a weight as the writer of checkpoints takes it; its place in the file is the writer's."""
    shape = weight.stored.shape
    return StoredTensor(weight.name, Path(SINGLE), weight.dtype, shape, 0, prod(shape) * _BYTES[weight.dtype])


def _common_type(weights: list[Weight]) -> str:
    """Return the type to load a checkpoint in: that of its matrices, float32 where they differ."""
    found = {weight.dtype for weight in weights if len(weight.stored.shape) > 1}
    return _DTYPES[found.pop()] if len(found) == 1 else "float32"


def _token_ids(vocabulary: Vocabulary) -> dict[str, int | None]:
    """Return the special tokens that config.json names; transformers fills in others of its own without."""
    return {f"{name}_token_id": vocabulary.special.get(name) for name in ("bos", "eos", "pad")}
