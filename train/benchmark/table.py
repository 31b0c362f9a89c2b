"""The figures of `umi train bench` as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from train.benchmark.comparison import CONVERSATIONS, OURS, STEPS, TITLES
from train.benchmark.machine import describe


def print_speed(result: Mapping[str, Any]) -> None:
    """Print the throughput in target tokens per second, a line for each system."""
    recipe = result["recipe"]
    print(describe(result["machine"]))
    print(
        f"{result['model_parameters']:,} parameters of random weights, quantization {recipe['quantization']},"
        f" adapter of rank {recipe['lora']['rank']}, precision {recipe['precision']}"
    )
    print(
        f"{result['rows']:,} rows over {result['tool_lists']:,} tool lists,"
        f" {result['target_tokens']:,} target tokens\n"
    )
    heads = (
        "sequences",
        "tokens read",
        "steps",
        "targets/s",
        "from",
        "to",
        "umi is",
        "targets/CPU s",
        "umi is",
    )
    widths = (11, 13, 7, 17, 8, 8, 8, 14, 8)
    print(f"{'':35}" + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
    for name, row in result["systems"].items():
        rates = row["tokens_per_second"]
        cells = (
            f"{row['rows']:,}",
            f"{row['computed']:,}",
            f"{row['steps_an_epoch']:,}",
            f"{row['median_tokens_per_second']:,.0f}",
            f"{min(rates):,.0f}",
            f"{max(rates):,.0f}",
            "" if name == OURS else f"{row['umi_times_as_fast']:.2f}x",
            f"{row['median_tokens_per_cpu_second']:,.0f}",
            "" if name == OURS else f"{row['umi_times_as_fast_by_cpu_seconds']:.2f}x",
        )
        print(f"{TITLES[name]:35}" + "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)))
    print("an epoch's sequences, tokens through the layers and optimizer steps; target tokens per second:")
    print("median, least and most of all turns; how many times as fast umi is, the median over the rounds;")
    print("the same by seconds of processor time, which matter on a CPU that other programs use too")
    for name in (STEPS, CONVERSATIONS):
        if name in result["systems"]:
            print(f"TRL's rows: {result['trl_arrangement']}")
            break


def print_memory(result: Mapping[str, Any]) -> None:
    """Print the peak memory, and what it was measured with."""
    print(describe(result["machine"]))
    print(
        f"{result['shape']}: {result['model_parameters']:,} parameters,"
        f" quantization {result['quantization']};"
        f" {result['micro_batch']} x {result['length']:,} tokens, {result['target_tokens']:,} of them targets"
    )
    for what, value in result["bytes"].items():
        if value is not None:
            print(f"{what.replace('_', ' '):36}{value / 1e9:8.2f} GB")
    print(f"{'seconds a step':36}{result['seconds_per_step']:8.2f}")
    if result["machine"]["gpu"] is None:
        print("this is a processor's figure, with 32-bit weights where a GPU has 16; GPU figures need a GPU")
