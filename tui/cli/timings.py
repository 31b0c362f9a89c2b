"""Where the time of a turn goes, as a table: by role, and in the model, in grammars, in Python, elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.events import Usage
from agent.transcript import Role

HEADS = (
    "read",
    "reused",
    "wrote",
    "decodes",
    "drafted",
    "accepted",
    "/decode",
    "seconds",
    "model",
    "masks",
    "Python",
)
"""What is told of a role: tokens, decodes, guessed tokens that were accepted (in all, and of each decode),
seconds, and their shares."""
_WIDTH = 10


def timings(stats: Mapping[Role, Usage], seconds: float) -> Iterator[str]:
    """Yield the lines of a table of a turn that took `seconds`, from the question to the end.

    Shares are of a row's seconds; those of the last row are of `seconds`, and what is left of them went to
    tools, checks, consent and the display.
    """
    yield f"{'':12}" + "".join(f"{head:>{_WIDTH}}" for head in HEADS)
    for role, usage in stats.items():
        yield f"{role:12}{row(usage, usage.seconds)}"
    total = sum(stats.values(), Usage())
    yield f"{'together':12}{row(total, seconds)}"
    elsewhere = max(0.0, seconds - total.seconds)
    yield f"{elsewhere:.2f} s of {seconds:.2f} s elsewhere: tools, checks, questions to you, the display"


def row(usage: Usage, seconds: float) -> str:
    """Return a row of the table: the cells under HEADS."""
    return "".join(f"{cell:>{_WIDTH}}" for cell in cells(usage, seconds))


def cells(usage: Usage, seconds: float) -> list[str]:
    """Return what stands under each of HEADS, with the shares of `seconds`."""
    counts = (
        usage.prompt_evaluated,
        usage.prompt_reused,
        usage.generated,
        usage.decodes,
        usage.drafted,
        usage.accepted,
    )
    shares = (usage.model_seconds, usage.grammar_seconds, usage.python_seconds)
    return [
        *(f"{count:,}" for count in counts),
        f"{usage.accepted_per_decode:.2f}",
        f"{seconds:.2f}",
        *(f"{share / seconds:.0%}" if seconds else "-" for share in shares),
    ]
