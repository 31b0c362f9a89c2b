"""`umi eval margins`: how sure a bundle is of its calls, against whether they are right."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from agent.bundle.manifest import MANIFEST
from agent.checks.calls.margins import Coverage, MeasuredCall, covered, fit_least_margins
from agent.engine import Delta, Generated
from agent.errors import InputError
from agent.evaluation.margins import measure_margins
from agent.events import Reading
from agent.paths import parse_json, read_file, replacing
from agent.setup import open_engine
from agent.transcript import Role, Transcript
from agent.transcript.rows import read_rows
from tui.cli.models.build import open_models

SHARES = (1.0, 0.95, 0.9, 0.8)
"""Of the calls that are made without asking, for the table."""
FEWEST_CALLS = 20


def evaluate_margins(
    file: Path, models: str | None, *, coverage: float, save: bool, limit: int, as_json: bool
) -> int:
    """Measure the margins of a bundle's calls on the rows of `file` and print what they tell; return 0.

    The least margins are fitted on every other call and tried on those between, so that the figures hold for
    calls that they were not fitted on. With `save`, those fitted on all of them are written into the bundle.
    Raises InputError for rows or a bundle that cannot be read, or too few calls.
    """
    rows = list(islice(read_rows(file), limit))
    bundle = open_models(models)
    engine = open_engine(bundle)

    def write(role: Role, history: Transcript, reference: str) -> Iterator[Reading | Delta | Generated]:
        return engine.generate(role, history, cancelled=lambda: False, likely=reference)

    try:
        calls = list(measure_margins(rows, write, lambda number: _progress(number, len(rows))))
    finally:
        engine.close()
    if len(calls) < FEWEST_CALLS:
        raise InputError(f"{file} has rows for {len(calls)} calls", f"give rows for at least {FEWEST_CALLS}")
    table = {share: _tried(calls, share) for share in SHARES}
    least = fit_least_margins(calls, coverage)
    if as_json:
        value = {
            "calls": len(calls),
            "coverage": [{"asked_for": share, **dataclasses.asdict(row)} for share, row in table.items()],
            "least_margins": least,
        }
        print(json.dumps(value, ensure_ascii=False))
    else:
        _print(calls, table, least)
    if save:
        _save(bundle.folder, least)
        print(f"written: {bundle.folder / MANIFEST}", file=sys.stderr)
    return 0


def _tried(calls: Sequence[MeasuredCall], share: float) -> Coverage:
    """Return what is made where each half of `calls` has the margins that were fitted on the other half."""
    halves = calls[::2], calls[1::2]
    tried = [
        covered(other, fit_least_margins(half, share) if share < 1 else {})
        for half, other in (halves, halves[::-1])
    ]
    return Coverage(
        *(sum(getattr(one, name) for one in tried) for name in ("made", "wrong", "of", "wrong_of"))
    )


def _print(
    calls: Sequence[MeasuredCall], table: Mapping[float, Coverage], least: Mapping[str, float]
) -> None:
    wrong = sum(not call.right for call in calls)
    doubted = [call for call in calls if call.doubted]
    caught = sum(not call.right for call in doubted)
    print(f"{len(calls)} calls, {wrong} of them wrong; rules doubt {len(doubted)}, {caught} of them wrong")
    print("asked for  made without asking  wrong among them  right")
    for share, row in table.items():
        right = 1 - row.wrong / row.made if row.made else 1.0
        print(f"{share:9.0%}  {row.share:19.1%}  {row.wrong:6} of {row.wrong_of:6}  {right:.1%}")
    for tool, margin in sorted(least.items()):
        print(f"{tool}: asked about under {margin:.2f} nats")


def _progress(number: int, total: int) -> None:
    if number % 50 == 0 or number == total:
        print(f"{number} of {total} rows", file=sys.stderr)


def _save(folder: Path, least: Mapping[str, float]) -> None:
    file = folder / MANIFEST
    manifest = parse_json(read_file(file)) | {"least_margins": dict(least)}
    with replacing(file) as partial:
        partial.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
