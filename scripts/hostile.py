"""Attack umi's guards, print the counts of each attack, and fail if any forbidden outcome occurred.

    python scripts/hostile.py              # all of it, in minutes
    python scripts/hostile.py --scale 0.01

No model takes part: scripted engines that obey every injected text stand in for one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

TESTS = Path(__file__).resolve().parents[1] / "tests"
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from attacks import (  # noqa: E402
    arguments,
    injections,
    kills,
    loaded_files,
    paths,
    races,
    sandboxed_code,
    served_requests,
    session_kills,
    tool_servers,
    typed_text,
)
from attacks.result import Result, share  # noqa: E402

ATTACKS: tuple[Callable[[Path, float], Result], ...] = (
    lambda folder, scale: paths.attack(folder, share(10_000, scale)),
    lambda folder, scale: races.attack(folder, share(1000, scale)),
    lambda folder, scale: asyncio.run(typed_text.attack_app(folder, share(1000, scale))),
    lambda folder, scale: typed_text.attack_terminal(folder, share(1000, scale)),
    lambda folder, scale: arguments.attack(folder, share(1000, scale)),
    lambda folder, scale: injections.attack(folder, share(130, scale)),
    lambda folder, scale: tool_servers.attack(folder, share(300, scale)),
    lambda folder, scale: sandboxed_code.attack(folder, share(1000, scale)),
    lambda folder, scale: served_requests.attack(folder, share(200, scale)),
    loaded_files.attack_gguf,
    loaded_files.attack_manifests,
    loaded_files.attack_templates,
    lambda folder, scale: kills.attack(folder, share(100, scale)),
    lambda folder, scale: session_kills.attack(folder, share(50, scale)),
)
"""Each attack takes an empty folder, and the share of its cases that are tried."""
SHOWN = 10
"""Maximum number of forbidden outcomes of a kind that are printed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run all attacks; return 0 if no forbidden outcome occurred, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the cases to try (1.0: all)")
    scale: float = parser.parse_args(argv).scale
    tried, wrong = Counter[str](), Counter[str]()
    for attack in ATTACKS:
        with tempfile.TemporaryDirectory(prefix="umi-hostile-") as name:
            folder = Path(name).resolve() / "attack"
            folder.mkdir()
            with mock.patch.dict(os.environ, UMI_HOME=str(folder.parent / "home")):
                result = attack(folder, scale)
        print(result, flush=True)
        tried[result.cases] = result.count
        for kind, found in result.wrong.items():
            wrong[kind] += len(found)
            for what in found[:SHOWN]:
                print(f"  {kind}: {what}", file=sys.stderr)
    counts = [f"{count:,} {what}" for what, count in tried.items()]
    zeros = [f"{count} {kind}" for kind, count in wrong.items()]
    print(f"tried: {', '.join(counts)}; must be 0: {', '.join(zeros)}")
    return 1 if wrong.total() else 0


if __name__ == "__main__":
    sys.exit(main())
