"""Verification that an imported checkpoint is the model of its GGUF file.

The tokenizers must agree on `HARD_TEXTS`. The checkpoint is converted to GGUF again, in f32: every tensor and
every number of the metadata must equal the original's, and llama.cpp's logits on the f32 file must equal
torch's on the checkpoint. (Logits of the original would not do: on quantized weights llama.cpp also rounds
activations.)
"""

from __future__ import annotations

import json
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import Keys

from agent.errors import UmiError
from agent.llama.binding.gguf_model import open_gguf
from agent.llama.binding.hardware import available_bytes
from agent.prompting.encoding import load_tokenize
from export.gguf.convert import convert
from export.gguf.reader import GgufFile, read_gguf
from export.merge.selection import load_model
from export.options import Say
from export.proof.parity import measure_parity, require_parity
from export.proof.reference import Prompt, record_texts
from export.proof.tokenizer import HARD_TEXTS, check_tokenizer
from train.model.weights.reader import read_config

PROMPTS = (
    "The capital of France is",
    "Water boils at 100 degrees Celsius, and it freezes at",
    "def fibonacci(n):\n",
    '{"name": "calculate", "arguments": {"expression": "17.5 / 100 * 240"}}\n{"name":',
    "Q: How many days are there between 2026-02-01 and 2026-03-01?\nA:",
    "".join(HARD_TEXTS),
)
"""Texts that both torch and llama.cpp continue."""
MAX_TEXT_TOKENS = 32
"""The most tokens that are generated after a prompt."""
_MAX_PROMPT_TOKENS = 256
_NO_TOKEN = -1
_VOCABULARY = (Keys.Tokenizer.LIST, Keys.Tokenizer.MERGES)
_WORKING_BYTES = 1 << 30
"""Memory for libraries, caches and activations, beside the weights."""


def prove_import(file: GgufFile, checkpoint: Path, scratch: Path, say: Say) -> dict[str, Any]:
    """Prove that the folder `checkpoint` is the model in a GGUF file; return the figures.

    `scratch` is a folder for temporary files. If there is not enough memory for two models in float32, logits
    are not compared and the figure `logits` is None. Raise UmiError naming the first difference.
    """
    say(f"comparing with {file.path.name}: tokenizer")
    with open_gguf(file.path, 0) as model:
        figures: dict[str, Any] = {"tokenizer_comparisons": check_tokenizer(model, checkpoint)}
    plain = file
    if is_quantized_or_half(file):
        say("comparing the tensors")
        plain = read_gguf(convert(checkpoint, scratch / "f32.gguf", "f32", name="base", say=say))
        figures["tensors_equal"] = require_same_model(file, plain)
    numbers = sum(prod(tensor.shape) for tensor in file.tensors.values())
    needed, free = 2 * 4 * numbers + _WORKING_BYTES, available_bytes()
    figures["logits"] = None
    if free is not None and needed > free:
        say(f"logits were not compared: that takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")
        return figures
    say("comparing the logits")
    config = read_config(checkpoint)
    reference = record_texts(
        load_model(checkpoint),
        "base",
        _prompts(checkpoint, config["bos_token_id"]),
        _NO_TOKEN if config["eos_token_id"] is None else config["eos_token_id"],
        scratch,
        say,
        max_tokens=MAX_TEXT_TOKENS,
    )
    parity = measure_parity(reference, plain.path, say)
    require_parity(parity, file.path)
    return {**figures, "logits": asdict(parity)}


def is_quantized_or_half(file: GgufFile) -> bool:
    """Return whether a file holds other numbers than float32, so that llama.cpp rounds activations."""
    return any(tensor.type != Type.F32 for tensor in file.tensors.values())


def require_same_model(file: GgufFile, again: GgufFile) -> int:
    """Raise UmiError where `again` has other tensors, dequantized, or other numbers than `file`.

    Return the number of tensors. A key of the metadata that only one of both names is left out: files need
    not name what llama.cpp takes by default.
    """
    hint = "report this: the import is wrong for this file"
    arch = file.metadata["general.architecture"]
    for key in sorted(file.metadata.keys() & again.metadata.keys()):
        if key.startswith((f"{arch}.", *_VOCABULARY)) and file.metadata[key] != again.metadata[key]:
            raise UmiError(f"{file.path.name} and its checkpoint differ in {key}", hint)
    if only_one := file.tensors.keys() ^ again.tensors.keys():
        raise UmiError(f"{file.path.name} and its checkpoint do not both have {min(only_one)}", hint)
    for name, tensor in file.tensors.items():
        other = again.tensors[name]
        # Tensors of one shape are cut into the same blocks.
        if tensor.shape != other.shape or not all(
            np.array_equal(one, two) for one, two in zip(tensor.blocks(), other.blocks(), strict=True)
        ):
            raise UmiError(f"{file.path.name}: {name} differs in its checkpoint", hint)
    return len(file.tensors)


def _prompts(checkpoint: Path, bos: int | None) -> list[Prompt]:
    """Return the prompts as ids, with BOS where the tokenizer adds it."""
    tokenize = load_tokenize(checkpoint)
    settings = json.loads((checkpoint / "tokenizer_config.json").read_text(encoding="utf-8"))
    begin = [bos] if bos is not None and settings.get("add_bos_token") else []
    return [Prompt([*begin, *tokenize(text, False)[:_MAX_PROMPT_TOKENS]], None) for text in PROMPTS]
