"""`umi train bench memory`: the most memory that training a Qwen2.5 takes, on random weights of its shape."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.errors import InputError, UmiError
from agent.extras import Parser, say
from train.benchmark.table import print_memory

SHAPE_NAMES = ("tiny", "0.5b", "1.5b", "3b")
PREFIX_SHARE = 0.4
"""Of a row, the share of its tool list."""
LEARNT_SHARE = 0.15
"""Of a row, the share that is learnt: more than the 0.10 of synthetic rows, whose steps are few."""


@dataclass(frozen=True)
class Job:
    """What the process that is measured does: so many steps on `micro_batch` rows of `length` tokens."""

    base: str
    quantization: str
    length: int
    micro_batch: int
    steps: int
    learnt: float
    vocabulary: int

    def to_json(self) -> str:
        """The job as an argument of a process."""
        return json.dumps(asdict(self))


def memory(argv: Sequence[str]) -> int:
    """Train a model of a known shape for a few steps and print the most memory that it took."""
    parser = Parser(prog="umi train bench memory", description=memory.__doc__)
    parser.add_argument("--shape", choices=SHAPE_NAMES, default="1.5b", help="Qwen2.5 of this size, or tiny")
    parser.add_argument("--quantization", choices=("nf4", "none"), default="nf4")
    parser.add_argument("--length", type=int, default=4096, metavar="N", help="tokens of a row")
    parser.add_argument("--micro-batch", type=int, default=1, metavar="N", help="rows of a pass")
    parser.add_argument(
        "--learnt", type=float, default=LEARNT_SHARE, metavar="P", help="share that is learnt"
    )
    parser.add_argument("--steps", type=int, default=3, metavar="N", help="optimizer steps")
    parser.add_argument("--json", action="store_true", help="print the figures as one object of JSON")
    given = parser.parse_args(argv)
    for name, least in (("length", 16), ("micro_batch", 1), ("steps", 1)):
        if getattr(given, name) < least:
            option = name.replace("_", "-")
            raise InputError(f"--{option} is {getattr(given, name)}", f"give a number of at least {least}")
    if not 0 < given.learnt <= 1 - PREFIX_SHARE:
        raise InputError(f"--learnt is {given.learnt}", f"give a share above 0, up to {1 - PREFIX_SHARE}")

    from train.benchmark.checkpoints import SHAPES, write_checkpoint
    from train.benchmark.machine import machine

    dimensions = SHAPES[given.shape]
    with tempfile.TemporaryDirectory(prefix="umi-bench-") as folder:
        say(f"writing random weights of {given.shape} to {folder}")
        try:
            parameters = write_checkpoint(dimensions, Path(folder))
        except OSError as error:
            raise UmiError(
                f"{folder} cannot be written: {error.strerror}", "make room, or set TMPDIR"
            ) from None
        job = Job(
            folder,
            given.quantization,
            given.length,
            given.micro_batch,
            given.steps,
            given.learnt,
            dimensions.vocabulary,
        )
        say(f"training {given.steps} steps")
        measured = run(job)
    result = {
        "machine": machine(),
        "shape": given.shape,
        "model_parameters": parameters,
        "quantization": given.quantization,
        "length": given.length,
        "micro_batch": given.micro_batch,
        **measured,
    }
    if given.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print_memory(result)
    return 0


def run(job: Job) -> dict[str, Any]:
    """Do a job in a process of its own, so that nothing else is in its peak. Raises UmiError if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "train.benchmark.memory_worker", job.to_json()],
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
