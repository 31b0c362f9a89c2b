"""Forward passes of transformers models with a key-value cache, whichever name transformers gives it.

transformers 5.24 renamed the argument and the output field `past_key_values` to `cache`; 5.23 knows only the
old name. No other module names either.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any


@cache
def cache_name() -> str:
    """Return the name of the key-value cache in this version of transformers."""
    from transformers.modeling_outputs import CausalLMOutputWithPast

    names = {field.name for field in fields(CausalLMOutputWithPast)}
    return "cache" if "cache" in names else "past_key_values"


def forward_cached(model: Any, kv_cache: Any, **inputs: Any) -> tuple[Any, Any]:
    """Run `model` on `inputs` after what `kv_cache` holds (None for nothing).

    Return its output and the cache, which then holds the new positions too.
    """
    name = cache_name()
    output = model(**inputs, **{name: kv_cache}, use_cache=True)
    return output, getattr(output, name)


def truncate(kv_cache: Any, length: int) -> Any:
    """Return `kv_cache` cut back to its first `length` positions.

    Return None where a layer has a sliding window, since its oldest positions may be gone already.
    """
    if any(kv_cache.is_sliding):
        return None
    # transformers 5.23 and 5.24 take the number of positions to remove, as a negative number.
    kv_cache.crop(length - kv_cache.get_seq_length())
    return kv_cache
