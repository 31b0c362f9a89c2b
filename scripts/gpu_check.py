"""`make gpu-check`: train both stages on a CUDA GPU, compare with the CPU, export, and print every figure.

    python scripts/gpu_check.py [--base GGUF|FOLDER] [--data FILE] [--out FOLDER] [--steps N]
                                [--shapes 1.5b,3b] [--device cuda|cpu]

It takes at most `LIMIT_S` seconds: parts for which no time is left are skipped and named. `--out` gets
`gpu-check.json` and the adapters in float16. Exit codes: 0 all well, 1 a check failed, 2 something is
missing, which one line names. `--device cpu --steps 2` tries the script itself.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from gpu_requirements import BASE, find_source, require_gpu, require_packages

from agent.errors import InputError, UmiError
from agent.transcript import ROLES

T = TypeVar("T")

LIMIT_S = 480.0
STEPS = 200
SHAPES = "1.5b,3b"
ROWS = 400
"""Synthetic rows that are trained on, with a fixed seed."""
QUESTION = "what is 17.5% of 240?"
REPORT = "gpu-check.json"


class OutOfTimeError(UmiError):
    """The check has used up its time."""


class Check:
    """The figures of a check as they are measured, within `LIMIT_S` seconds."""

    def __init__(self) -> None:
        self._started = monotonic()
        self.figures: dict[str, Any] = {}
        self.failures: list[str] = []
        self.left_out: list[str] = []
        self.seconds: dict[str, float] = {}

    @property
    def seconds_left(self) -> float:
        """Seconds until the limit."""
        return LIMIT_S - (monotonic() - self._started)

    def say(self, line: str) -> None:
        """Print a line of progress to stderr. Raise OutOfTimeError past the limit."""
        if self.seconds_left <= 0:
            raise OutOfTimeError(f"{LIMIT_S:.0f} seconds are over")
        print(line, file=sys.stderr, flush=True)

    def measure(self, name: str, function: Callable[..., T], *arguments: Any) -> T | None:
        """Keep and return what `function` measures, timed.

        None where it fails, which is a failure of the check, or where no time is left.
        """
        started = monotonic()
        try:
            self.say(f"== {name}")
            self.figures[name] = figures = function(*arguments)
            return figures
        except (OutOfTimeError, subprocess.TimeoutExpired):
            self.left_out.append(f"{name}: {LIMIT_S:.0f} seconds are over")
        except UmiError as error:
            self.failures.append(f"{name}: {error}")
        except Exception as error:
            # Such as CUDA's; the other parts are worth having.
            traceback.print_exc()
            self.failures.append(f"{name}: {type(error).__name__}: {error}".partition("\n")[0])
        finally:
            self.seconds[name] = round(monotonic() - started, 1)

    def report(self) -> dict[str, Any]:
        """Return everything that was measured."""
        ends = {"failures": self.failures, "left_out": self.left_out}
        total = round(monotonic() - self._started, 1)
        return {**self.figures, "seconds": {**self.seconds, "total": total}, **ends}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the check; return the exit code."""
    options = parse(argv)
    try:
        require_packages()
        if options.device == "cuda":
            require_gpu()
        source = find_source(options.base)
        check = Check()
        with tempfile.TemporaryDirectory(prefix="umi-gpu-check-") as folder:
            run_check(check, options, source, Path(folder))
    except InputError as missing:
        print(f"gpu-check: {missing}", file=sys.stderr)
        return missing.exit_code
    report = check.report()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print("\n".join(table(report)))
    print(f"every figure: {options.out / REPORT}")
    return 1 if check.failures else 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="gpu-check", description="Train and export on a CUDA GPU.")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--base", help="GGUF file or checkpoint folder (default: smollm2-135m, as pulled)")
    parser.add_argument("--data", type=Path, help="schema-1 rows (default: synthetic ones)")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-check"))
    parser.add_argument("--steps", type=int, default=STEPS, help="optimizer steps of all stages together")
    parser.add_argument("--shapes", default=SHAPES, help="shapes whose peak memory is measured, or nothing")
    return parser.parse_args(argv)


def run_check(check: Check, options: argparse.Namespace, source: Path, work: Path) -> None:
    """Measure everything in the folder `work`. Raise InputError where torch does not see the GPU."""
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"torch {torch.__version__} sees no CUDA GPU", "install a torch build for this machine's driver"
        )
    from gpu_training import compare_losses, recipe_of, train_both_stages

    from train.benchmark.machine import machine

    check.figures |= {"machine": machine(), "device": options.device, "base": options.base or BASE}
    base, data = source, options.data or work / "rows.jsonl"
    if source.is_file():
        base = work / "base"
        import_base(source, base, check.say)
    if options.data is None:
        make_rows(data)
    recipe = recipe_of(base, data, work / "run", options.device, options.steps)
    losses = check.measure("losses", compare_losses, recipe)
    if losses and not losses["equal"]:
        check.failures.append(f"losses differ by {losses['largest_relative_difference']:.1%}")
    trained = check.measure("training", train_both_stages, recipe, check.say)
    if trained:
        first = trained["stages"]["backbone"]
        before, after = first["heldout_loss_before"], first["heldout_loss"]
        if not all(after[role] < loss for role, loss in before.items()):
            check.failures.append("stage 1 does not lower every held-out loss")
        adapters = options.out / "adapters"
        check.measure("adapters", write_adapters, work / "run", recipe.stages, adapters)
        if find_spec("llama_cpp"):
            check.measure("bundle", export, work / "run", work / "bundle", check)
        else:
            check.left_out.append("bundle: llama-cpp-python is not installed")
    for shape in filter(None, options.shapes.split(",")):
        check.measure(f"memory of {shape}", memory_of, shape, check)


def import_base(source: Path, out: Path, say: Callable[[str], None]) -> None:
    """Make a checkpoint folder of a GGUF file, without the comparison of `umi train base import`."""
    from export.gguf.checkpoint import import_checkpoint
    from export.gguf.reader import read_gguf

    import_checkpoint(read_gguf(source), out, say)


def make_rows(out: Path) -> None:
    """Write the synthetic rows to train on."""
    from train.data.rows import write_rows
    from train.data.synthetic.generate import generate_rows

    write_rows(out, generate_rows(2, "train", ROWS))


def write_adapters(run: Path, stages: Sequence[str], out: Path) -> dict[str, Any]:
    """Copy each stage's adapter, and once the configuration that they share; return the sizes."""
    from train.run.files import ADAPTER_CONFIG, ADAPTER_WEIGHTS

    out.mkdir(parents=True, exist_ok=True)
    figures = {}
    for stage in stages:
        file = out / f"{stage}.safetensors"
        shutil.copyfile(run / stage / ADAPTER_WEIGHTS, file)
        figures[stage] = {"bytes": file.stat().st_size}
    (out / ADAPTER_CONFIG).write_bytes((run / stages[0] / ADAPTER_CONFIG).read_bytes())
    return figures


def export(run: Path, out: Path, check: Check) -> dict[str, Any]:
    """Export the run as `umi export bundle` does, which compares it with torch, and ask it a question.

    Raise UmiError where a file differs from its model. The answer is reported and not judged: 200 steps make
    no good model.
    """
    from export.options import Options
    from export.pipeline import export_bundle
    from export.quantize.quantize import types_by_role

    options = Options(types_by_role(["q8_0"]), "gpu-check", merge_base="dequant", imatrix="none", prompts=4)
    bundle = export_bundle(run, out, options, check.say)
    command = [sys.executable, "-P", "-m", "tui", "ask", "--models", str(out), "--json"]
    asked = subprocess.run(
        [*command, "--tools", "calculate", QUESTION],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=max(1.0, check.seconds_left),
    )
    lines = asked.stdout.splitlines()
    return {
        "export": bundle.metrics["export"],
        "question": QUESTION,
        "exit_code": asked.returncode,
        "finished": json.loads(lines[-1]) if lines else None,
        "error": asked.stderr.strip(),
    }


def memory_of(shape: str, check: Check) -> dict[str, Any]:
    """Return what `umi train bench memory` measures of a shape. Raise UmiError where it fails."""
    command = [sys.executable, "-P", "-m", "tui", "train", "bench", "memory", "--shape", shape, "--json"]
    left = max(1.0, check.seconds_left)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=left)
    if done.returncode:
        raise UmiError(done.stderr.strip().rpartition("\n")[2])
    return json.loads(done.stdout)


def table(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the main figures as lines."""
    from train.benchmark.machine import describe

    yield describe(report["machine"])
    if losses := report.get("losses"):
        for device, values in losses["of"].items():
            yield row(f"first losses, {device}", "  ".join(f"{value:.4f}" for value in values))
        difference, tolerance = losses["largest_relative_difference"], losses["tolerance"]
        yield row("largest difference", f"{difference:.2%}, at most {tolerance:.0%} is allowed")
    if training := report.get("training"):
        for stage, figures in training["stages"].items():
            yield row(
                f"{stage}, steps: {figures['steps']}",
                f"{figures['tokens_per_second']:,.0f} tokens/s,"
                f" loss {figures['first_loss']:.4f} -> {figures['last_loss']:.4f}",
            )
        yield row("training, with loading", f"{training['seconds_with_loading']:.0f} s")
        yield row("peak memory of training", gigabytes(training["peak_bytes"]))
        if used := training["device_bytes_in_use"]:
            yield row("in use on the GPU afterwards", gigabytes(used))
    for name in (name for name in report if name.startswith("memory of ")):
        figures = report[name]
        peak, batch = figures["bytes"]["most_while_training"], figures["length"]
        text = f"{gigabytes(peak)}, {figures['seconds_per_step']:.2f} s a step of {batch:,} tokens"
        yield row(f"peak {name}", text)
    for stage, figures in report.get("adapters", {}).items():
        yield row(f"adapter of {stage}", f"{figures['bytes'] / 1e6:.1f} MB in float16")
    if bundle := report.get("bundle"):
        for role in ROLES:
            proof = bundle["export"][role]["f32"]
            agreed = f"{proof['agreed']} of {proof['positions']}, {proof['near_ties']} near-ties set aside"
            yield row(f"{role}, as in llama.cpp", agreed)
        ended = (bundle["finished"] or {}).get("reason") or bundle["error"]
        yield row(f"asked: {bundle['question']}", ended)
    yield row("seconds", ", ".join(f"{name} {value:.0f}" for name, value in report["seconds"].items()))
    for kind, lines in (("FAILED", report["failures"]), ("left out", report["left_out"])):
        yield from (row(kind, line) for line in lines)


def row(name: str, value: str) -> str:
    """Return a line of the table."""
    return f"{name:34}{value}"


def gigabytes(size: int | None) -> str:
    """Return a number of bytes as text."""
    return "unknown" if size is None else f"{size / 1e9:.2f} GB"


if __name__ == "__main__":
    sys.exit(main())
