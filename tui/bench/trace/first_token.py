"""The process that `tui.bench.trace.start` times: the path of `umi ask` up to the planner's first token."""

from __future__ import annotations

import sys

from tui.cli.tree import root  # what `umi` imports before it runs a command

QUESTION = "What is 12 * 7?"


def main() -> int:
    """Print an empty line at the planner's first token, on the models that umi ships."""
    assert root.umi
    from agent.engine import Delta
    from agent.paths import SHIPPED
    from agent.transcript import UserTurn
    from tui.setup import Options, open_agent

    loaded = open_agent(Options(models=str(SHIPPED)))
    transcript = loaded.agent.begin().transcript.plus(UserTurn(QUESTION))
    for piece in loaded.agent.engine.generate("planner", transcript, cancelled=lambda: False):
        if isinstance(piece, Delta):
            print(flush=True)
            break
    loaded.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
