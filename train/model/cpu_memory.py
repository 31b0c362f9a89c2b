"""Limits on the memory that libraries keep, beyond what is in use, while a process trains on a CPU.

glibc keeps freed blocks below 32 MB, and few of them fit torch's next requests: resident memory grows to 1.6
times what is in use, with gradient checkpointing to 4 times (glibc 2.36). Other C libraries are left as they
are.

oneDNN keeps a compiled matrix product for each shape, up to 1,024 in each of two caches. Passes differ in
length: that came to 1.0 GB in 120 steps of a model of 2 layers of 64.
"""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Of `mallopt`, in malloc.h."""
SMALL_BLOCK, LARGE_BLOCK = 1 << 20, 32 << 20
"""Bytes from which a block is a mapping of its own, returned when freed; glibc raises its limit to 32 MB."""
CACHED_PRODUCTS = 64
"""Compiled products that each cache keeps; those 120 steps took no longer with it."""


def limit_product_cache() -> None:
    """Bound oneDNN's caches, unless the environment does. Call it before the first matrix product."""
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, str(CACHED_PRODUCTS))


def return_freed_memory(*, small_blocks: bool) -> None:
    """Return free memory to the system, and from here on each freed block of 1 MB, or else of 32 MB, or more.

    `small_blocks` is for loading a base, whose copies are needed once, and for gradient checkpointing.
    Measured with that on 8 layers of 512, whose blocks are of 4 to 14 MB: 0.75 GB at the peak, not 1.24, for
    1.5 to 2 times the processor time on a virtual machine, which goes into clearing new pages.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        return
    library.mallopt(_M_MMAP_THRESHOLD, SMALL_BLOCK if small_blocks else LARGE_BLOCK)
    library.mallopt(_M_TRIM_THRESHOLD, 2 * LARGE_BLOCK)
    library.malloc_trim(0)
