"""A note under an answer that no grammar held to its sources: what in it nothing supports, and the results.

The answer itself is shown as the model writes it.
"""

from __future__ import annotations

from agent.checks.answers import CUT, looped
from agent.checks.claims import holds_call, incomplete_list, unknown_name, wrong_unit
from agent.checks.figures import unknown_figure
from agent.checks.quotations import Quotations, without_emphasis
from agent.checks.results import wrong_result
from agent.checks.sources import Sources
from agent.checks.spoken import unknown_date, unknown_number
from agent.llama.grammar.grounding import sources
from agent.transcript import Transcript

UNSUPPORTED = "This answer is not supported"


def unsupported_note(answer: str, transcript: Transcript, *, cut: bool = False) -> str:
    """Return the note under `answer`, which follows `transcript`; empty if no rule speaks.

    An answer that no result came before is only told to be `cut` at its length.
    """
    found = Sources.of(transcript)
    doubt = _doubt(answer, found, transcript) if found.observations else ""
    if not doubt and cut:
        doubt = CUT
    if not doubt:
        return ""
    results = found.results_beside(answer)
    return f"{UNSUPPORTED}: {doubt}." + (f"\n{results}" if results else "")


def _doubt(answer: str, found: Sources, transcript: Transcript) -> str:
    text = without_emphasis(answer)
    loop = looped(answer)
    if loop and not any(loop in said for said in found.said):
        return "it says the same over and over"
    return (
        holds_call(text, found.texts)
        or unknown_figure(text, found.question, sources(transcript.turns))
        or wrong_unit(text, found.texts)
        or unknown_name(text, found.said)
        or Quotations(found.said, free=True).doubt(answer)
        or unknown_number(text, found.said)
        or unknown_date(text, found.said)
        or wrong_result(text, found.said)
        or incomplete_list(answer, found.question, found.observations[-1])
    )
