"""A llama-server in a process of its own, over the package `xllamacpp`, which has it ready-made.

It runs on the Python of another environment (`make bench-server`), which has no umi in it. Once the package
is imported it prints a line; a line of JSON on stdin, the arguments of `serve`, then makes it load the
models, and it prints its address, on loopback. It ends when its stdin does.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from typing import Any

CACHE_REUSE = 256
"""Tokens of the shortest chunk that is moved in the cache where a prompt parts from it, as llama.cpp's own
presets have it."""


def serve(
    model: str,
    adapters: Sequence[str],
    *,
    context_length: int,
    threads: int,
    speculation: Sequence[str],
    states: str,
) -> Any:
    """Return a running server with a slot for each adapter, or one; adapters are off until a request asks.

    `speculation` names members of llama.cpp's `common_speculative_type` without their prefix. `states` is the
    folder of saved slots. Flash attention and the copies of prompts in memory are off: on a processor the
    former slows decodes of a few tokens, and a single conversation has no use for the latter.
    """
    llama: Any = importlib.import_module("xllamacpp")
    params = llama.CommonParams()
    params.model.path = model
    params.n_parallel = max(1, len(adapters))
    params.n_ctx = context_length * params.n_parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.flash_attn_type = llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.n_cache_reuse = CACHE_REUSE
    params.cache_ram_mib = 0
    params.slot_save_path = states
    params.lora_adapters = [llama.CommonAdapterLoraInfo(path, 0.0) for path in adapters]
    params.speculative.types = [
        getattr(llama.common_speculative_type, f"COMMON_SPECULATIVE_TYPE_{name}") for name in speculation
    ]
    params.warmup = params.fit_params = False
    params.verbosity = 0
    return llama.Server(params)


def main() -> int:
    """Serve until stdin ends; return the exit code."""
    importlib.import_module("xllamacpp")
    print("ready", flush=True)
    line = sys.stdin.readline()
    if line:
        server = serve(**json.loads(line))
        print(server.listening_address, flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
