"""Seconds and peak memory of our conversion and of llama.cpp's own script, on a checkpoint of Qwen2.5-0.5B's
shape with random bf16 weights. `make golden-bench` runs this; it needs the package index and 3 GB of disk.

Both run as processes of their own, one after the other, five times; medians are compared.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from golden_source import command, environment

ROUNDS = 5
SHAPE = {
    "vocab_size": 151936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
}


def make(folder: Path) -> None:
    """The checkpoint, with Qwen's real vocabulary."""
    from golden_convert import qwen
    from tiny_families import make_weights

    folder.mkdir()
    qwen(folder)
    make_weights(folder, "Qwen2", SHAPE, "bfloat16")


def measure(arguments: Sequence[str], out: Path) -> tuple[float, float]:
    """Seconds and peak resident memory in MB of a process that writes `out`, which is removed."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(arguments, env=environment(), stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"{arguments} failed:\n{log.read().decode()[-2000:]}")
    out.unlink()
    # Linux counts in KiB, macOS in bytes.
    return seconds, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def main() -> None:
    """Make the checkpoint, convert it by turns and print a table."""
    kind = sys.argv[1] if len(sys.argv) > 1 else "f16"
    with tempfile.TemporaryDirectory(prefix="umi-golden-") as place:
        folder, out = Path(place) / "Qwen2.5-0.5B", Path(place) / "out.gguf"
        # A process begins with its parent's peak, so this one must stay small.
        making = multiprocessing.get_context("spawn").Process(target=make, args=(folder,))
        making.start()
        making.join()
        if making.exitcode:
            raise SystemExit("the checkpoint was not made")
        ours = [sys.executable, "-P", "-m", "tui", "export", "convert", str(folder), str(out), "--type", kind]
        ways = {"llama.cpp's script": command(folder, out, kind), "umi export convert": ours}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for turn in range(ROUNDS):
            for name, arguments in ways.items():
                found[name].append(measure(arguments, out))
                seconds, megabytes = found[name][-1]
                print(f"{turn + 1} {name}: {seconds:.2f} s, {megabytes:.0f} MB", flush=True)
    middle = {
        name: [statistics.median(values) for values in zip(*runs, strict=True)]
        for name, runs in found.items()
    }
    (their_seconds, their_megabytes), (seconds, megabytes) = middle.values()
    ratios = seconds / their_seconds, megabytes / their_megabytes
    for name, (seconds, megabytes) in middle.items():
        print(f"{name:20} {seconds:6.2f} s {megabytes:6.0f} MB")
    print(f"{'ratio':20} {ratios[0]:6.2f}   {ratios[1]:6.2f}")


if __name__ == "__main__":
    main()
