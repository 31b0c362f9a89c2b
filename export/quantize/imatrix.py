"""The importance matrix: how strongly each input of each linear layer is used, by which bits are spent.

Quantizing minimises the error of weights; with the mean of squared inputs as weights it minimises, roughly,
the error of what the layer puts out. llama.cpp's `llama-imatrix` computes the same means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.errors import InputError
from agent.prompting.encoding import Encoded
from export.gguf.architectures import Config, find_architecture
from export.options import Say
from export.progress import Ticker
from export.quantize.imatrix_file import read_entries
from train.model.kv_cache import forward_cached, truncate


@dataclass(frozen=True)
class Imatrix:
    """Means of squared inputs, and what they were computed on."""

    values: Mapping[str, NDArray[np.float32]]
    """[columns] for each linear layer, by its weight's name in a GGUF file, such as `blk.0.attn_q.weight`."""
    source: str
    """Whose inputs these were, as the metadata of a quantized file tells it."""
    tokens: int
    """Tokens that were counted; 0 where a file does not say."""
    rows: int
    """Sequences that were read; of a file its chunks, 0 where it does not say."""


def collect(
    model: Any,
    config: Config,
    sequences: Sequence[Encoded],
    source: str,
    say: Say,
    most_tokens: int = 16384,
) -> Imatrix:
    """The importance matrix of a transformers causal LM (float32, CPU) on the first of `sequences`.

    Only as many are read as make `most_tokens` tokens, at least one. The tokens of system turns that were
    read before are not counted again: else a tool list that all rows share would outweigh what they say. The
    output matrix gets no entry. Raises InputError where there is no sequence or an input is not a number.
    """
    chosen = _within(sequences, most_tokens)
    if not chosen:
        raise InputError(
            "no row is left to compute an importance matrix on",
            "put the training data back in its place, or give --imatrix FILE or --imatrix none",
        )
    sums = _Sums(model, config)
    try:
        rows = _read(model.get_decoder(), chosen, sums, Ticker(say), source)
    finally:
        sums.close()
    values = {}
    for name, total in sums.totals.items():
        values[name] = (total / sums.tokens).numpy().astype(np.float32)
        if not np.isfinite(values[name]).all():
            raise InputError(f"the inputs of {name} are not all numbers", "train that model again")
    return Imatrix(values, source, sums.tokens, rows)


def load(file: Path) -> Imatrix:
    """The importance matrix in a file that llama.cpp's `llama-imatrix` wrote, as GGUF or in its older form.

    Raises InputError where it is neither, cut short or holds what is not a mean of squares.
    """
    entries = read_entries(file)
    source = f"{file.name} ({entries.dataset})" if entries.dataset else file.name
    return Imatrix(entries.means, source, entries.tokens, entries.chunks)


def require_fit(imatrix: Imatrix, gguf_file: Path) -> None:
    """Raise InputError where an importance matrix is not of the model in `gguf_file`, which is in f32 or f16.

    A layer of the model without an entry is quantized without one, as llama.cpp does it.
    """
    there = {tensor.name: int(tensor.shape[0]) for tensor in gguf.GGUFReader(gguf_file).tensors}
    step = "give the one that was computed with this model, or --imatrix auto"
    if not any(name in there and name.startswith("blk.") for name in imatrix.values):
        raise InputError(f"the importance matrix {imatrix.source} is of another model", step)
    for name, values in imatrix.values.items():
        if name not in there and name.startswith("blk."):
            raise InputError(
                f"the importance matrix {imatrix.source} is of another model: it has {name}", step
            )
        if name in there and len(values) != there[name]:
            raise InputError(
                f"the importance matrix {imatrix.source} has {len(values)} columns for {name}, and the model"
                f" has {there[name]}",
                step,
            )


class _Sums:
    """Adds up the squared inputs of a model's linear layers while it reads."""

    def __init__(self, model: Any, config: Config) -> None:
        family = find_architecture(config, "the model")
        names = gguf.get_tensor_name_map(family.arch, config["num_hidden_layers"])
        self.totals: dict[str, Tensor] = {}
        """[columns] in float64, by the weight's GGUF name."""
        self.tokens = 0
        self._skip = 0
        self._hooks = []
        for name, module in model.named_modules():
            target = names.get_name(name)
            if isinstance(module, torch.nn.Linear) and target and target.startswith("blk."):
                self.totals[f"{target}.weight"] = torch.zeros(module.in_features, dtype=torch.float64)
                self._hooks.append(module.register_forward_pre_hook(self._hook(f"{target}.weight")))

    def start(self, ids: NDArray[np.int64], skip: int = 0) -> Tensor:
        """`ids` as what a decoder takes, [1, tokens]; all but the first `skip` of them will be counted."""
        self._skip = skip
        self.tokens += len(ids) - skip
        return torch.from_numpy(ids)[None]

    def close(self) -> None:
        """Leave the model as it was."""
        for hook in self._hooks:
            hook.remove()

    def _hook(self, name: str) -> Any:
        def add(_: Any, given: tuple[Tensor, ...]) -> None:
            self.totals[name] += given[0][0, self._skip :].square().sum(0, dtype=torch.float64)

        return add


def _within(sequences: Sequence[Encoded], most: int) -> dict[bytes, list[Encoded]]:
    """The first of `sequences` that make at most `most` tokens to count, by their system turns."""
    chosen: dict[bytes, list[Encoded]] = {}
    count = 0
    for sequence in sequences:
        key = sequence.prefix.tobytes()
        count += len(sequence.rest) if key in chosen else len(sequence)
        if chosen and count > most:
            break
        chosen.setdefault(key, []).append(sequence)
    return chosen


def _read(
    decoder: Any, chosen: Mapping[bytes, Sequence[Encoded]], sums: _Sums, tick: Ticker, source: str
) -> int:
    """Let `decoder` read the sequences, those with the same system turns after each other; returns how many.

    The keys and values of system turns are kept for the next sequence, unless layers forget old positions: a
    window of them cannot be cut back.
    """
    total = sum(len(group[0].prefix) + sum(len(one.rest) for one in group) for group in chosen.values())
    rows = 0
    with torch.inference_mode():
        for group in chosen.values():
            prefix = group[0].prefix
            cache = None
            if len(prefix):
                _, cache = forward_cached(decoder, None, input_ids=sums.start(prefix))
            for sequence in group:
                if cache is None or any(cache.is_sliding):
                    decoder(input_ids=sums.start(sequence.ids, skip=len(prefix)), use_cache=False)
                else:
                    forward_cached(decoder, cache, input_ids=sums.start(sequence.rest))
                    cache = truncate(cache, len(prefix))
                rows += 1
                tick(f"importance matrix of {source}: {sums.tokens:,} of {total:,} tokens")
    return rows
