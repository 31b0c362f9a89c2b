"""Checks of a grounded answer while it is written: what nothing supports is not shown.

Digits are held to the sources by the grammar (`agent.llama.grammar.grounding`). Here it is seen whether a
number kept its unit, whether names and lines were copied whole, and whether a list is complete and in order.
"""

from __future__ import annotations

import re

from agent.checks.answers.claims import holds_call, incomplete_list, unknown_file, unknown_name, wrong_unit
from agent.checks.answers.loops import looped
from agent.checks.answers.quotations import Quotations
from agent.checks.answers.results import wrong_result
from agent.checks.answers.sources import Sources
from agent.checks.answers.spoken_claims import unknown_date, unknown_number
from agent.transcript import Transcript

TAIL = 400
"""Characters at the end of what is generated in which a loop shows."""
REPEATS = "it says the same over and over"
CUT = "it was cut at its length"
HANDS_OVER = "it goes on as the planner does"
_HAND_OVER = re.compile(r"^Next: (?:caller|summarizer|give up)\b", re.MULTILINE)
_LINES = re.compile(r"(?<=\n)")
"""Between a line and the next one."""


class AnswerCheck:
    """Checks an answer while it is generated, and passes on what may be shown, a line at a time.

    Where a line is not supported, or the list that an answer tells is not whole, what the tool said follows,
    under the tool's name.
    """

    def __init__(self, transcript: Transcript) -> None:
        """`transcript` ends with what the tools said to the last question."""
        self._sources = Sources.of(transcript)
        self._texts = self._sources.texts
        self._said = self._sources.said
        self._quotations = Quotations(self._said)
        self._held: list[str] = []
        self._tail = ""
        self._passed: list[str] = []
        self.doubt = ""
        """What nothing supports, as a clause; empty as long as all is well."""

    @property
    def text(self) -> str:
        """What was passed on."""
        return "".join(self._passed)

    def feed(self, text: str) -> str:
        """Take the next piece of the answer; return what may be shown now.

        What is shown in the end does not depend on the pieces: tokens that were drafted come several at once.
        """
        return "".join(map(self._feed_line, _LINES.split(text)))

    def _feed_line(self, text: str) -> str:
        """Take a piece whose only line break is at its end, if it has one."""
        self._held.append(text)
        self._tail = (self._tail + text)[-TAIL:]
        if not self.doubt and self._loops(self._tail):
            self.doubt = REPEATS
        if not text.endswith("\n"):
            return ""
        line, self._held = "".join(self._held), []
        return self._pass_on(line)

    def _loops(self, text: str) -> bool:
        return (found := looped(text)) != "" and not any(found in said for said in self._said)

    def finish(self, *, cut: bool = False) -> str:
        """Return the rest of what may be shown, at the end of the answer; `cut` says that it has none."""
        shown = self._pass_on("".join(self._held))
        sources = self._sources
        if cut and not self.doubt:
            self.doubt = CUT
        if sources.observations and not self.doubt:
            self.doubt = incomplete_list(self.text, sources.question, sources.observations[-1])
        if not self.doubt:
            return shown
        text = self.text
        said = sources.results_beside(text)
        if said and text.strip() and not text.endswith("\n"):
            said = f"\n{said}"
        self._passed.append(said)
        return shown + said

    def _pass_on(self, piece: str) -> str:
        if not self.doubt:
            self.doubt = self._local_doubt(piece)
        if self.doubt:
            return ""
        self._passed.append(piece)
        return piece

    def _local_doubt(self, piece: str) -> str:
        if doubt := holds_call(piece, self._texts):
            return doubt
        if (found := _HAND_OVER.search(piece)) and not any(found.group() in text for text in self._texts):
            return HANDS_OVER
        if self._loops(piece):
            return REPEATS
        if not self._sources.observations:
            return unknown_file(piece, self._said) if self._sources.calls else ""
        return (
            wrong_unit(piece, self._texts)
            or unknown_name(piece, self._said)
            or self._quotations.doubt(piece)
            or unknown_number(piece, self._said)
            or unknown_date(piece, self._said)
            or wrong_result(piece, self._said)
        )


def unsupported(answer: str, transcript: Transcript) -> str:
    """Return what in a whole `answer` nothing supports, as a clause; empty if no rule speaks.

    An answer that no call came before is only checked for a call that is written as an answer, and one
    that refers to earlier calls for files that nobody named.
    """
    check = AnswerCheck(transcript)
    check.feed(answer)
    check.finish()
    return check.doubt
