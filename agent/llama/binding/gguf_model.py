"""A GGUF file opened for comparison: logits of given tokens, with an f32 cache and without flash attention.

The batch is as large as the context, so that how a prompt is split into decodes is the caller's choice:
llama.cpp's logits depend on it slightly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.errors import BundleError, EngineError
from agent.llama.binding.context import Adapter, Context
from agent.llama.binding.hardware import usable_cores
from agent.llama.binding.model import Model
from agent.prompting.encoding import common_length

_HINT = "export it again"
_MIN_CONTEXT = 64


class GgufModel:
    """A GGUF file with at most one adapter, which is off unless `logits` gets its `adapter_start`."""

    def __init__(self, path: Path, context_length: int, adapter: Path | None = None) -> None:
        """Load `path` and `adapter`. Raise EngineError if llama.cpp cannot load one of them."""
        self.path = path
        length = max(_MIN_CONTEXT, context_length)
        self._context: Context | None = None
        self._adapter_start = 0
        """The position from which the cached tokens were decoded with the adapter."""
        try:
            self._model = Model(path)
        except BundleError as error:
            raise EngineError(error.what, _HINT) from None
        self.tokenize = self._model.vocabulary.tokenize
        try:
            self._adapter = Adapter(self._model, adapter) if adapter else None
            self._context = Context(
                self._model,
                length,
                threads=usable_cores(),
                cache="f32",
                flash_attention="off",
                batch=length,
            )
        except BundleError as error:
            self.close()
            raise EngineError(f"llama.cpp cannot load the adapter: {error.what}", _HINT) from None
        except BaseException:
            self.close()
            raise

    @property
    def has_adapter(self) -> bool:
        """Whether it has an adapter."""
        return self._adapter is not None

    def logits(
        self, ids: Sequence[int], first: int, *, chunk: int | None = None, adapter_start: int | None = None
    ) -> NDArray[np.float32]:
        """Return the logits after each of `ids[first:]`, float32, shape (tokens, vocabulary).

        The adapter is on from position `adapter_start` on, by default nowhere. The prefix that `ids` share
        with those of the last call is not decoded again; with `chunk` all of them are, in decodes of `chunk`
        tokens.
        """
        assert self._context is not None, "the file is closed"
        adapter_from = len(ids) if adapter_start is None else adapter_start
        cached = self._reuse(ids[:first], adapter_from) if chunk is None else self._context.truncate(0)
        self._adapter_start = adapter_from
        size = chunk or len(ids)
        starts = {cached, *range(0, adapter_from, size), *range(adapter_from, len(ids), size)}
        rows: list[NDArray[np.float32]] = []
        for start, stop in pairwise([*sorted(at for at in starts if at >= cached), len(ids)]):
            outputs = stop - max(start, min(first, stop))
            self._context.set_adapter(self._adapter if start >= adapter_from else None)
            self._context.decode(ids[start:stop], outputs=outputs)
            rows += [self._context.logits(back).copy() for back in reversed(range(outputs))]
        return np.stack(rows)

    def _reuse(self, ids: Sequence[int], adapter_from: int) -> int:
        """Truncate the cache to the prefix that is valid for `ids` with the adapter on from `adapter_from`.

        Return the length of that prefix.
        """
        assert self._context is not None
        length = common_length(self._context.tokens, ids)
        if adapter_from != self._adapter_start:
            # Positions decoded with the adapter are wrong without it, and the other way round.
            length = min(length, adapter_from, self._adapter_start)
        return self._context.truncate(length)

    def close(self) -> None:
        """Free the model. May be called twice."""
        if self._context is not None:
            self._context.close()
            self._context = None
        self._model.close()


@contextmanager
def open_gguf(path: Path, context_length: int, adapter: Path | None = None) -> Iterator[GgufModel]:
    """Open a `GgufModel` and free it at the end."""
    model = GgufModel(path, context_length, adapter)
    try:
        yield model
    finally:
        model.close()
