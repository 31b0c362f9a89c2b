"""Static embeddings of short texts: the mean of their tokens' vectors, so that no model has to run.

Those of WordLlama (https://github.com/dleemiller/WordLlama, MIT) are used where it is installed (extra
`embeddings`). It carries 32,000 vectors of 256 numbers (16 MB); nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> their vectors of length 1, float32, shape (texts, dimensions)."""

_log = logging.getLogger(__name__)


def installed_embedding() -> Embed | None:
    """Return WordLlama's embedding, or None where it is not installed or does not load."""
    if importlib.util.find_spec("wordllama") is None:
        return None
    try:
        import wordllama  # pyright: ignore[reportMissingImports]

        # The folder of the package is named because its own look-up misses the tokenizer that it carries.
        carried = Path(str(wordllama.__file__)).parent
        model = wordllama.WordLlama.load(cache_dir=carried, disable_download=True)
    except (ImportError, OSError, ValueError, AttributeError) as error:
        _log.warning("wordllama does not load, so tools are picked without it: %s", error)
        return None
    return lambda texts: np.asarray(model.embed(list(texts), norm=True), np.float32)
