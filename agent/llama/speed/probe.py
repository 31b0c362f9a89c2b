"""The measurement of this machine: two models of random weights of one type, written, timed and removed.

It takes about a second for each type, once for a processor, a number of threads and a version of llama.cpp.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from agent.llama.gguf.header import read_header
from agent.llama.speed.estimate import Q8_0, Rates, Timing, solve_rates, weights_of
from agent.llama.speed.probe_model import SCALES, write_probe
from agent.paths import cache_folder, make_private_folder, read_json, write_private

if TYPE_CHECKING:
    from agent.llama.binding.context import Context

LAYERS = 6
NARROW, WIDE = (256, 768), (1024, 2816)
"""Hidden and feed-forward width: 5 million weights, and 77 million, which no processor's cache holds."""
ROUNDS = 8
READ_TOKENS = 32
WRITE_TOKENS = 4
"""Both in each round, those to write one by one. The shortest times count: those of an idle machine."""
_FILE = "speed.json"

_log = logging.getLogger(__name__)


def known_rates(threads: int) -> dict[int, Rates]:
    """Return the rates of the types that were measured on this machine before, by ggml's number."""
    return _parsed(_stored(cache_folder() / _FILE).get(_machine(threads)))


def measured_rates(kinds: Iterable[int], threads: int) -> dict[int, Rates]:
    """Return the rates of Q8_0 and of `kinds`, as far as they can be measured; measure what is not known yet.

    Raise OSError where the models cannot be written, UmiError where llama.cpp cannot load them.
    """
    file = cache_folder() / _FILE
    known = _parsed(_stored(file).get(_machine(threads)))
    missing = {kind for kind in (Q8_0, *kinds) if kind in SCALES} - known.keys()
    if missing:
        make_private_folder(file.parent)
        with tempfile.TemporaryDirectory(prefix="speed-", dir=file.parent) as folder:
            for kind in sorted(missing):
                known[kind] = _measure(Path(folder), kind, threads)
        _store(file, threads, known)
    return known


def _measure(folder: Path, kind: int, threads: int) -> Rates:
    paths = [folder / f"{hidden}.gguf" for hidden, _ in (NARROW, WIDE)]
    for path, (hidden, feed_forward) in zip(paths, (NARROW, WIDE), strict=True):
        write_probe(path, kind, hidden=hidden, feed_forward=feed_forward, layers=LAYERS)
    narrow, wide = time_models(paths, threads)
    return solve_rates(kind, narrow, wide)


def time_models(paths: Sequence[Path], threads: int, rounds: int = ROUNDS) -> list[Timing]:
    """Return the times of the models in these files, which take turns; the shortest of each counts.

    Raise UmiError where llama.cpp cannot load one.
    """
    from agent.llama.binding.context import Context
    from agent.llama.binding.model import Model

    read, write = ([float("inf")] * len(paths) for _ in range(2))
    prompt = [1] * READ_TOKENS
    with ExitStack() as stack:
        contexts: list[Context] = []
        for path in paths:
            model = Model(path)
            stack.callback(model.close)
            contexts.append(Context(model, 4 * READ_TOKENS, threads=threads, flash_attention="off"))
            stack.callback(contexts[-1].close)
            contexts[-1].decode(prompt)  # reads the weights from the disk
        for _ in range(rounds):
            for at, context in enumerate(contexts):
                context.truncate(0)
                read[at] = min(read[at], _seconds(context, prompt) / len(prompt))
                write[at] = min(write[at], *(_seconds(context, [1]) for _ in range(WRITE_TOKENS)))
    return [
        Timing(weights_of(read_header(path)), *times) for path, *times in zip(paths, read, write, strict=True)
    ]


def _seconds(context: Context, tokens: list[int]) -> float:
    started = perf_counter()
    context.decode(tokens)
    return perf_counter() - started


def _machine(threads: int) -> str:
    from importlib.metadata import version

    from agent.llama.binding.hardware import processor_name

    return f"{processor_name()}, {threads} threads, llama-cpp-python {version('llama-cpp-python')}"


def _stored(file: Path) -> dict[str, Any]:
    try:
        value = read_json(file)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _parsed(value: Any) -> dict[int, Rates]:
    try:
        return {int(kind): Rates(**rates) for kind, rates in value.items()}
    except (AttributeError, TypeError, ValueError):
        return {}


def _store(file: Path, threads: int, rates: dict[int, Rates]) -> None:
    value = {str(kind): asdict(one) for kind, one in rates.items()}
    try:
        write_private(file, json.dumps(_stored(file) | {_machine(threads): value}, indent=1) + "\n")
    except OSError as error:
        _log.info("the measured speed was not kept: %s", error)
