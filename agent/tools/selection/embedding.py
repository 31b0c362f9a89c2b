"""Static embeddings of short texts: the mean of their tokens' vectors, so that no model has to run.

The vectors are those that the package `wordllama` carries (https://github.com/dleemiller/WordLlama, MIT;
extra `embeddings`): 32,000 of 256 numbers, 16 MB. Its files are read here without importing it: that would
turn on logging for the whole process, and its own look-up misses the tokenizer beside the vectors.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> their vectors of length 1 (0 for an empty text), float32, shape (texts, dimensions)."""
VECTORS = Path("weights", "l2_supercat_256.safetensors")
TOKENIZER = Path("tokenizers", "l2_supercat_tokenizer_config.json")

_log = logging.getLogger(__name__)


def installed_embedding() -> Embed | None:
    """Return the embedding of the vectors that are installed, or None where there are none to read."""
    found = importlib.util.find_spec("wordllama")
    folders = found.submodule_search_locations if found else None
    if not folders:
        return None
    try:
        return load_embedding(Path(folders[0], VECTORS), Path(folders[0], TOKENIZER))
    except Exception as error:  # tokenizers raises nothing narrower
        _log.warning("the vectors of wordllama cannot be read, so tools are picked without them: %s", error)
        return None


def load_embedding(vectors: Path, tokenizer: Path) -> Embed:
    """Return the embedding by a safetensors file with one matrix and by the tokenizer of its rows."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    (matrix,) = load_file(vectors).values()
    reader = Tokenizer.from_file(str(tokenizer))

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        result = np.zeros((len(texts), matrix.shape[1]), np.float32)
        for row, text in zip(result, texts, strict=True):
            if ids := reader.encode(text, add_special_tokens=False).ids:
                row[:] = matrix[ids].astype(np.float32).mean(axis=0)
                row /= np.linalg.norm(row) or 1.0
        return result

    return embed
