"""Answers that no grammar holds to their sources: a note tells what in one nothing supports, and the results.

The answer itself is shown as the model writes it; one that begins to loop is not written on.
"""

from __future__ import annotations

from agent.checks.answers.answer_check import CUT, REPEATS
from agent.checks.answers.claims import holds_call, incomplete_list, unknown_name, wrong_unit
from agent.checks.answers.figures import unknown_figure
from agent.checks.answers.loops import LEAST_REPEATS, LONGEST_REPEATED, ending_loop, looped
from agent.checks.answers.quotations import Quotations, without_emphasis
from agent.checks.answers.results import wrong_result
from agent.checks.answers.sources import Sources
from agent.checks.answers.spoken_claims import unknown_date, unknown_number
from agent.llama.grammar.grounding import sources
from agent.transcript import Transcript

UNSUPPORTED = "This answer is not supported"


class LoopWatch:
    """Reads an answer while it is generated, and sees where it says the same over and over."""

    def __init__(self, transcript: Transcript) -> None:
        """`transcript` is what the answer follows: what it holds may be repeated as it stands there."""
        self._said = Sources.of(transcript).said
        self.text = ""
        """The answer, up to where it is known to loop."""
        self.loops = False

    def feed(self, text: str) -> str:
        """Take the next piece of the answer; return what is shown of it.

        That is told letter by letter: tokens that were drafted come several at once.
        """
        before = len(self.text)
        for letter in text:
            if self.loops:
                break
            self.text += letter
            if loop := ending_loop(self.text[-LEAST_REPEATS * LONGEST_REPEATED :]):
                self.loops = not any(loop in said for said in self._said)
        return self.text[before:]


def unsupported_note(answer: str, transcript: Transcript, *, cut: bool = False) -> str:
    """Return the note under `answer`, which follows `transcript`; empty if no rule speaks.

    An answer that no result came before is only told to loop, to state an equation or a conversion that does
    not hold, or to be `cut` at its length.
    """
    found = Sources.of(transcript)
    doubt = _repetition(answer, found)
    if not doubt:
        doubt = (
            _doubt(answer, found, transcript)
            if found.observations
            else wrong_result(without_emphasis(answer), found.said)
        )
    if not doubt and cut:
        doubt = CUT
    if not doubt:
        return ""
    results = found.results_beside(answer)
    return f"{UNSUPPORTED}: {doubt}." + (f"\n{results}" if results else "")


def _repetition(answer: str, found: Sources) -> str:
    loop = ending_loop(answer.rstrip()) or (looped(answer) if found.observations else "")
    return REPEATS if loop and not any(loop in said for said in found.said) else ""


def _doubt(answer: str, found: Sources, transcript: Transcript) -> str:
    text = without_emphasis(answer)
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
