"""An estimate of the memory a bundle takes, from the headers of its files, before any model is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.bundle import Bundle
from agent.config import CacheType, EngineSettings
from agent.errors import EngineError
from agent.llama.binding.hardware import address_space_left, available_bytes, require_memory
from agent.llama.binding.model import gpu_layers
from agent.llama.gguf.header import MetadataValue, read_metadata
from agent.transcript import Role

_BYTES = {"f32": 4.0, "f16": 2.0, "q8_0": 34 / 32}
"""Bytes of one number in the cache; a q8_0 block holds 32 numbers in 34 bytes."""
WORKING_BYTES = 192 << 20
"""Address space beside files, a copy of them for repacking, and caches: buffers, vocabulary, grammars.
Measured: 104 MB for the shipped models, 166 MB for SmolLM2-135M."""


def cache_bytes(path: Path, cache: CacheType) -> int:
    """Return the bytes of key-value cache per token of context of the model in `path`, at most.

    0 where the file's header cannot be read: loading the file then reports what is wrong.
    """
    return int(_cached_numbers(read_metadata(path)) * _BYTES[cache])


def require_room(bundle: Bundle, roles: Sequence[Role], settings: EngineSettings) -> None:
    """Raise EngineError, with the numbers, where the models of `roles` and their caches do not fit in memory
    or in the address space that this process is limited to.

    Each model has one cache of the bundle's whole context. Where layers go to a GPU the files do not count.
    """
    files, caches = _file_and_cache_bytes(bundle, roles, settings)
    what = f"{caches / 1e9:.1f} GB of key-value cache for {bundle.context_length} tokens"
    if files:
        what = f"{files / 1e9:.1f} GB of models and {what}"
    require_memory(files + caches, f"{bundle.name}'s {what}", available_bytes())
    _require_address_space(bundle.name, 2 * files + caches + WORKING_BYTES)


def needed_bytes(bundle: Bundle, roles: Sequence[Role], settings: EngineSettings) -> int:
    """Return the bytes that the models of `roles` take when they run: files, caches, and working memory."""
    return sum(_file_and_cache_bytes(bundle, roles, settings)) + WORKING_BYTES


def _file_and_cache_bytes(bundle: Bundle, roles: Sequence[Role], settings: EngineSettings) -> tuple[int, int]:
    """Return the bytes of the files of `roles`, unless layers go to a GPU, and of their caches."""
    used = [bundle.roles[role] for role in roles]
    models = {role.file for role in used}
    each = [cache_bytes(bundle.folder / file, settings.cache) for file in models]
    names = models | {role.adapter.file for role in used if role.adapter}
    files = 0 if gpu_layers(settings) else sum(file.size for file in bundle.files if file.file in names)
    return files, sum(each) * bundle.context_length


def _require_address_space(name: str, needed: int) -> None:
    """Raise EngineError where a limit leaves less than `needed` bytes: llama.cpp aborts without them."""
    left = address_space_left()
    if left is not None and needed > left:
        raise EngineError(
            f"{name} takes about {needed / 1e6:.0f} MB of address space and this process may take"
            f" {left / 1e6:.0f} MB more",
            "raise its limit (ulimit -v), or pick smaller models",
        )


def _cached_numbers(metadata: Mapping[str, MetadataValue]) -> int:
    """Return how many numbers the keys and values of one token are, over all layers."""
    architecture = metadata.get("general.architecture")

    def per_layer(key: str) -> list[int]:
        value = metadata.get(f"{architecture}.{key}")
        values = value if isinstance(value, list) else [value]
        return [number for number in values if isinstance(number, int) and number >= 0]

    def largest(key: str) -> int:
        return max(per_layer(key), default=0)

    layers, heads = largest("block_count"), per_layer("attention.head_count")
    kv_heads = per_layer("attention.head_count_kv") or heads
    if not layers or not kv_heads:
        return 0
    width = largest("embedding_length") // max(1, *heads, 1)
    per_head = (largest("attention.key_length") or width) + (largest("attention.value_length") or width)
    return per_head * (sum(kv_heads) if len(kv_heads) > 1 else kv_heads[0] * layers)
