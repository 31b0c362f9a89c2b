"""`umi train bench memory`: the peak memory of training a Qwen2.5, on random weights of its shape."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.errors import InputError, UmiError
from train.benchmark.table import print_memory

PREFIX_SHARE = 0.4
"""The share of a row's tokens that is its tool list."""
TARGET_SHARE = 0.15
"""The share of a row's tokens that are targets; 0.10 in synthetic rows, which have few steps."""


@dataclass(frozen=True)
class Job:
    """The work of the measured process: `steps` optimizer steps on `micro_batch` rows of `length` tokens."""

    base: str
    quantization: str
    length: int
    micro_batch: int
    steps: int
    target_share: float
    vocabulary: int

    def to_json(self) -> str:
        """Return the job as the argument of a process."""
        return json.dumps(asdict(self))


def memory(
    say: Callable[[str], None],
    *,
    shape: str = "1.5b",
    quantization: str = "nf4",
    length: int = 4096,
    micro_batch: int = 1,
    target_share: float = TARGET_SHARE,
    steps: int = 3,
    as_json: bool = False,
) -> int:
    """Train a model of a known shape for `steps` steps and print the peak memory.

    A step is `micro_batch` rows of `length` tokens, of which `target_share` are targets. Returns the exit
    code. Raise InputError for a number out of range, UmiError where the temporary folder is full.
    """
    for option, number, least in (
        ("length", length, 16),
        ("micro-batch", micro_batch, 1),
        ("steps", steps, 1),
    ):
        if number < least:
            raise InputError(f"--{option} is {number}", f"give a number of at least {least}")
    if not 0 < target_share <= 1 - PREFIX_SHARE:
        raise InputError(
            f"--target-share is {target_share}", f"give a share above 0, up to {1 - PREFIX_SHARE}"
        )

    from train.benchmark.checkpoints import SHAPES, write_checkpoint
    from train.benchmark.machine import machine

    dimensions = SHAPES[shape]
    with tempfile.TemporaryDirectory(prefix="umi-bench-") as folder:
        say(f"writing random weights of {shape} to {folder}")
        try:
            parameters = write_checkpoint(dimensions, Path(folder))
        except OSError as error:
            raise UmiError(
                f"{folder} cannot be written: {error.strerror}", "make room, or set TMPDIR"
            ) from None
        job = Job(folder, quantization, length, micro_batch, steps, target_share, dimensions.vocabulary)
        say(f"training {steps} steps")
        measured = run(job)
    result = {
        "machine": machine(),
        "shape": shape,
        "model_parameters": parameters,
        "quantization": quantization,
        "length": length,
        "micro_batch": micro_batch,
        **measured,
    }
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print_memory(result)
    return 0


def run(job: Job) -> dict[str, Any]:
    """Run a job in its own process, so that the peak is its alone. Raise UmiError if it fails."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "train.benchmark.memory_worker", job.to_json()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"its process ended with {done.returncode}"
        raise UmiError(f"memory cannot be measured: {reason}", "try a smaller shape or --length")
    return json.loads(done.stdout.splitlines()[-1])
