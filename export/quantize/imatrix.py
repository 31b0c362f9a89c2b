"""The importance matrix: the mean square of each input of each linear layer.

Quantizing minimizes the squared error of weights; weighted by the importance matrix it minimizes, roughly,
the error of the layer's outputs. llama.cpp's `llama-imatrix` computes the same means.
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
from export.progress import ThrottledProgress
from export.quantize.imatrix_file import read_entries
from train.model.kv_cache import forward_cached, truncate


@dataclass(frozen=True)
class Imatrix:
    """Means of squared inputs, and the data they were computed on."""

    values: Mapping[str, NDArray[np.float32]]
    """[columns] for each linear layer, by its weight's name in a GGUF file, such as `blk.0.attn_q.weight`."""
    source: str
    """A description of that data, for the metadata of a quantized file."""
    tokens: int
    """Number of tokens that the means are over; 0 if unknown."""
    rows: int
    """Number of sequences (chunks of a file); 0 if unknown."""


def collect(
    model: Any,
    config: Config,
    sequences: Sequence[Encoded],
    source: str,
    say: Say,
    max_tokens: int = 16384,
) -> Imatrix:
    """Compute the importance matrix of a transformers causal LM (float32, CPU) on the first of `sequences`.

    They are read up to `max_tokens` tokens, at least one sequence. System turns that several sequences share
    are counted once: else a tool list that all rows share would outweigh the rest. The output matrix gets no
    entry. Raise InputError where there is no sequence or an input is NaN or infinite.
    """
    selected = _first_tokens(sequences, max_tokens)
    if not selected:
        raise InputError(
            "no row is left to compute an importance matrix on",
            "put the training data back in its place, or give --imatrix FILE or --imatrix none",
        )
    sums = _Sums(model, config)
    try:
        rows = _read(model.get_decoder(), selected, sums, ThrottledProgress(say), source)
    finally:
        sums.close()
    values = {}
    for name, total in sums.totals.items():
        values[name] = (total / sums.tokens).numpy().astype(np.float32)
        if not np.isfinite(values[name]).all():
            raise InputError(f"the inputs of {name} are not all numbers", "train that model again")
    return Imatrix(values, source, sums.tokens, rows)


def load(file: Path) -> Imatrix:
    """Read a file that llama.cpp's `llama-imatrix` wrote, as GGUF or in its older format.

    Raise InputError where it is neither, cut short, or holds negative or infinite means.
    """
    entries = read_entries(file)
    source = f"{file.name} ({entries.dataset})" if entries.dataset else file.name
    return Imatrix(entries.means, source, entries.tokens, entries.chunks)


def require_fit(imatrix: Imatrix, gguf_file: Path) -> None:
    """Raise InputError where an importance matrix is not of the model in `gguf_file`, which is in f32 or f16.

    A layer of the model without an entry is quantized without one, as llama.cpp does it.
    """
    columns = {tensor.name: int(tensor.shape[0]) for tensor in gguf.GGUFReader(gguf_file).tensors}
    step = "give the one that was computed with this model, or --imatrix auto"
    if not any(name in columns and name.startswith("blk.") for name in imatrix.values):
        raise InputError(f"the importance matrix {imatrix.source} is of another model", step)
    for name, values in imatrix.values.items():
        if name not in columns and name.startswith("blk."):
            raise InputError(
                f"the importance matrix {imatrix.source} is of another model: it has {name}", step
            )
        if name in columns and len(values) != columns[name]:
            raise InputError(
                f"the importance matrix {imatrix.source} has {len(values)} columns for {name}, and the model"
                f" has {columns[name]}",
                step,
            )


class _Sums:
    """Sums the squared inputs of a model's linear layers in its forward passes."""

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
        """Return `ids` as a decoder's input [1, tokens]; all but the first `skip` are counted in its pass."""
        self._skip = skip
        self.tokens += len(ids) - skip
        return torch.from_numpy(ids)[None]

    def close(self) -> None:
        """Remove the hooks from the model."""
        for hook in self._hooks:
            hook.remove()

    def _hook(self, name: str) -> Any:
        def add(_: Any, given: tuple[Tensor, ...]) -> None:
            self.totals[name] += given[0][0, self._skip :].square().sum(0, dtype=torch.float64)

        return add


def _first_tokens(sequences: Sequence[Encoded], max_tokens: int) -> dict[bytes, list[Encoded]]:
    """Return the first of `sequences` that count `max_tokens` tokens at most, grouped by system turns."""
    selected: dict[bytes, list[Encoded]] = {}
    count = 0
    for sequence in sequences:
        key = sequence.prefix.tobytes()
        count += len(sequence.rest) if key in selected else len(sequence)
        if selected and count > max_tokens:
            break
        selected.setdefault(key, []).append(sequence)
    return selected


def _read(
    decoder: Any,
    groups: Mapping[bytes, Sequence[Encoded]],
    sums: _Sums,
    progress: ThrottledProgress,
    source: str,
) -> int:
    """Run `decoder` on the sequences, group by group; return how many.

    The key-value cache of a group's system turns is reused, unless layers have a sliding window, whose cache
    cannot be truncated.
    """
    total = sum(len(group[0].prefix) + sum(len(one.rest) for one in group) for group in groups.values())
    rows = 0
    with torch.inference_mode():
        for group in groups.values():
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
                progress(f"importance matrix of {source}: {sums.tokens:,} of {total:,} tokens")
    return rows
