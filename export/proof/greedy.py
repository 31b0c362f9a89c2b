"""What a torch model likes to say after prompts that may begin alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agent.prompting.encoding import common_length
from train.model.kv_cache import forward_cached, truncate


class GreedyDecoder:
    """A causal LM that writes greedily, and keeps what it computed of the last prompt for the next one.

    With `header` the model is a peft model whose activated adapter is on for the last `header` tokens of each
    prompt and all that follows.
    """

    def __init__(self, model: Any, header: int = 0) -> None:
        self._model = model
        self._header = header
        self._cache: Any = None
        self._read: list[int] = []
        """The ids in the cache up to where an adapter was switched on."""

    def write(self, prompt: Sequence[int], end: int, most: int) -> tuple[list[int], NDArray[np.float32]]:
        """At most `most` tokens after `prompt`, up to and with `end`, and the logits of each.

        The logits are [tokens, vocabulary].
        """
        ids = list(prompt)
        start = len(ids) - self._header
        kept = min(common_length(self._read, ids), start, len(ids) - 1)
        cache = truncate(self._cache, kept) if kept else None
        if cache is None:
            kept = 0
        text: list[int] = []
        rows: list[NDArray[np.float32]] = []
        given = ids[kept:]
        with torch.no_grad():
            while len(text) < most:
                options = {"alora_offsets": [len(ids) + len(text) - start]} if self._header else {}
                out, cache = forward_cached(
                    self._model, cache, input_ids=torch.tensor([given]), logits_to_keep=1, **options
                )
                rows.append(out.logits[0, -1].float().numpy())
                text.append(int(rows[-1].argmax()))
                if text[-1] == end:
                    break
                given = text[-1:]
        self._cache, self._read = cache, ids[:start] if self._header else [*ids, *text[:-1]]
        return text, np.stack(rows)
