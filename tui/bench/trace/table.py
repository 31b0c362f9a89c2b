"""The figures of `umi bench` as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.transcript import ROLES
from tui.text import one_line

NONE = "\N{EN DASH}"
TITLES = {
    "plain": "three models, plain",
    "chat_completion": "chat completion",
    "merged": "umi, merged",
    "merged_disk": "umi, merged, disk",
    "shared": "umi, shared",
    "shared_disk": "umi, shared, disk",
    "single_disk": "umi, single, disk",
    "llama_server": "llama-server, disk",
    "llama_server_ngram": "  with n-grams",
    "llama_server_roles": "  three adapters",
}


def print_table(result: Mapping[str, Any]) -> None:
    """Print the trace, a line for each system, and then the other figures."""
    model, machine = result["model"], result["machine"]
    print(
        one_line(
            f"{model['name']}: {model['layout']}, {model['mb']:,} MB,"
            f" {model['context_length']:,} tokens of context; {machine['threads']} threads on"
            f" {machine['cores']} cores, {machine['processor']}"
        )
    )
    parts = ", ".join(f"{kind} {count:,}" for kind, count in result["trace_tokens"].items())
    print(f"the trace in tokens: {parts}\n")
    _print_trace(result["trace"])
    print()
    for name, value in _other_figures(result):
        print(f"{name:44}{value}")


def _print_trace(trace: Mapping[str, Mapping[str, Any] | None]) -> None:
    plain = trace["plain"]
    heads = (
        "planner",
        "caller",
        "summarizer",
        "read",
        "of plain",
        "seconds",
        "of plain",
        "cores",
        "first",
        "again",
        "MB",
    )
    widths = (14, 14, 14, 9, 9, 9, 9, 9, 8, 8, 7)
    print(f"{'':20}" + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
    for name, title in TITLES.items():
        row = trace[name]
        cells = [NONE] * len(heads) if row is None else _cells(row, plain)
        print(f"{title:20}" + "".join(f"{c:>{width}}" for c, width in zip(cells, widths, strict=True)))
    print("prompt tokens read (and reused) by each role and by all; seconds of the whole trace, by the clock")
    print(
        "and of processor cores, to the first token of a new process and of its next question; memory after"
    )
    print("the trace. The tool list is on disk for umi with disk and for llama-server.")


def _cells(row: Mapping[str, Any], plain: Mapping[str, Any] | None) -> list[str]:
    def of_plain(key: str) -> str:
        return f"1/{plain[key] / row[key]:.1f}" if plain and row[key] else NONE

    roles = [row["roles"].get(role) for role in ROLES]
    return [
        *(f"{used['evaluated']:,} ({used['reused']:,})" if used else NONE for used in roles),
        f"{row['prompt_tokens']:,}",
        of_plain("prompt_tokens"),
        f"{row['seconds']:.1f}",
        of_plain("seconds"),
        _number(row["processor_seconds"], ".1f"),
        f"{row['first_token_seconds']:.2f}",
        f"{row['warm_first_token_seconds']:.2f}",
        _number(row["resident_mb"], ".0f"),
    ]


def _other_figures(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    written = result["write_tokens_per_second"]
    kinds = ", ".join(f"{kind} {_number(written[kind], '.1f')}" for kind in ("bare", "free", "constrained"))
    seconds = _number(result["start_seconds"], ".2f")
    times = _number(result["start_ratio"], ".2f")
    shares = result["checks_share"] or dict.fromkeys(("call rules", "answer rules", "grammars"))
    checks = ", ".join(f"{part} {_number(share, '.2%')}" for part, share in shares.items())
    layouts = ", ".join(f"{name} {_number(each, '.1f')}" for name, each in result["layout_seconds"].items())
    fastest = result["fastest_layout"]
    return [
        (
            "layouts: seconds, loaded, with disk",
            layouts + (f"; {fastest} is fastest" if fastest else ""),
        ),
        ("one role alone, MB in memory", _number(result["one_role_resident_mb"], ".0f")),
        ("tokens read in a second", _number(result["read_tokens_per_second"], ".1f")),
        ("tokens written in a second", kinds),
        ("seconds to stop reading a long prompt", _number(result["cancel_seconds"], ".3f")),
        ("share of a question's time in checks", checks),
        ("shipped models: seconds to the first token", f"{seconds}, {times} times `import llama_cpp`"),
    ]


def _number(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)
