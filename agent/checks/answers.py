"""Rules that an answer is checked by: what it names stands in the question or in what a tool said.

Digits are held to that while an answer is written (`agent.llama.grammar.grounding`). Here it is seen
whether a number kept its unit, whether names were copied whole, and whether a list is complete and in its
order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from agent.checks.quotations import Quotations
from agent.checks.results import wrong_result
from agent.checks.spoken import unknown_date, unknown_number
from agent.llama.grammar.grounding import atoms
from agent.tools.lib.dates import MONTHS, WEEKDAYS
from agent.tools.lib.units import Unit, find_unit
from agent.transcript import Call, CallerTurn, SummarizerTurn, ToolTurn, Transcript, UserTurn

LEAST_LIST = 3
"""Lines from which what a tool said is a list."""
LONGEST_GIVEN = 80
"""Characters of a call's arguments that are told beside its result."""
TAIL = 400
"""Characters at the end of what is generated in which a loop shows."""
REPEATS = "it says the same over and over"
_CALL = re.compile(r'\{\s*"(?:name|arguments)"\s*:')
_LOOP = re.compile(r"(\S.{6,80}?)\1{3,}")
_QUANTITY = re.compile(r"(?<![\w.,])([-\u2212]?\d[\d.,]*\d|\d)\s?([^\W\d_]+(?:/[^\W\d_]+)?(?:[ ][^\W\d_]+)?)")
_FILE = re.compile(r"[^\s\"'`()<>,;:*]*[^\W\d_][^\s\"'`()<>,;:*]*\.[^\W\d_][\w]{0,4}\b")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w'-]+")
_KNOWN_NAMES = {name.lower() for name in (*MONTHS, *WEEKDAYS)} | {"i", "i'm", "i'll", "i've", "umi", "ok"}
_PART = re.compile(r"\d|\b(?:first|last|top|some|one|two|three|four|five|end|only)\b", re.IGNORECASE)
_NOTE_NUMBER = r"^\d+: "
_LISTING = {"list_files", "find_files", "search_text", "search_notes"}
"""The tools whose observation is a list that an answer tells whole."""


class AnswerCheck:
    """Checks an answer while it is generated, and passes on what may be shown, a line at a time.

    Where a line is not supported, or the list that an answer tells is not whole, what the tool said follows,
    under the tool's name.
    """

    def __init__(self, transcript: Transcript) -> None:
        """`transcript` ends with what the tools said to the last question."""
        self._question, self._observations = _exchange(transcript)
        self._texts = [self._question, *(turn.content for turn in self._observations)]
        self._calls = list(_calls(transcript))
        self._said = list(_said(transcript))
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
        """Take the next piece of the answer; return what may be shown now."""
        self._held.append(text)
        self._tail = (self._tail + text)[-TAIL:]
        if not self.doubt and self._loops(self._tail):
            self.doubt = REPEATS
        if "\n" not in text:
            return ""
        lines, newline, rest = "".join(self._held).rpartition("\n")
        self._held = [rest]
        return self._pass_on(lines + newline)

    def _loops(self, text: str) -> bool:
        return (found := looped(text)) != "" and not any(found in said for said in self._said)

    def finish(self, *, cut: bool = False) -> str:
        """Return the rest of what may be shown, at the end of the answer; `cut` says that it has none."""
        shown = self._pass_on("".join(self._held))
        if cut and not self.doubt:
            self.doubt = "it was cut at its length"
        if self._observations and not self.doubt:
            self.doubt = _incomplete_list(self.text, self._question, self._observations[-1])
        if not self.doubt:
            return shown
        text = self.text
        told = [turn for turn in self._observations if turn.content not in text]
        said = "\n".join(f"{self._asked_for(turn)}{turn.name} says:{_layout(turn.content)}" for turn in told)
        if said and text.strip() and not text.endswith("\n"):
            said = f"\n{said}"
        self._passed.append(said)
        return shown + said

    def _asked_for(self, turn: ToolTurn) -> str:
        """Return the arguments of the call that a result belongs to, where they are short and were said."""
        call = next((call for call, result in self._calls if result is turn), None)
        given = ", ".join(f"{name} {value}" for name, value in call.arguments.items()) if call else ""
        if not given or len(given) > LONGEST_GIVEN or "\n" in given:
            return ""
        found, known = atoms([given]), atoms(self._texts)
        is_said = found.numbers <= known.numbers and found.words <= known.words
        return f"For {given}, " if is_said else ""

    def _pass_on(self, piece: str) -> str:
        if not self.doubt:
            self.doubt = self._local_doubt(piece)
        if self.doubt:
            return ""
        self._passed.append(piece)
        return piece

    def _local_doubt(self, piece: str) -> str:
        if _CALL.search(piece):
            return "it holds a call"
        if self._loops(piece):
            return REPEATS
        if not self._observations:
            return ""
        return (
            _wrong_unit(piece, self._texts)
            or _unknown_name(piece, self._said)
            or self._quotations.doubt(piece)
            or unknown_number(piece, self._said)
            or unknown_date(piece, self._said)
            or wrong_result(piece, self._said)
        )


def looped(text: str) -> str:
    """Return a part of `text` that says the same at least four times in a row; empty if there is none."""
    found = _LOOP.search(text)
    return found.group() if found else ""


def unsupported(answer: str, transcript: Transcript) -> str:
    """Return what in a whole `answer` nothing supports, as a clause; empty if no rule speaks.

    An answer that no call came before is only checked for a call that is written as an answer.
    """
    check = AnswerCheck(transcript)
    check.feed(answer)
    check.finish()
    return check.doubt


def _layout(content: str) -> str:
    return f"\n{content}" if "\n" in content else f" {content}"


def _exchange(transcript: Transcript) -> tuple[str, list[ToolTurn]]:
    """Return the last question and what the tools said to it, without errors."""
    observations: list[ToolTurn] = []
    for turn in reversed(transcript.turns):
        if isinstance(turn, UserTurn):
            return turn.content, observations[::-1]
        if isinstance(turn, ToolTurn) and not turn.error:
            observations.append(turn)
    return "", []


def _calls(transcript: Transcript) -> Iterator[tuple[Call, ToolTurn]]:
    """Yield each call of a dialogue with what its tool said."""
    pending: list[Call] = []
    for turn in transcript.turns:
        if isinstance(turn, CallerTurn):
            pending = list(turn.calls)
        elif isinstance(turn, ToolTurn) and pending:
            yield pending.pop(0), turn


def _said(transcript: Transcript) -> Iterator[str]:
    """Yield the texts of a dialogue, the arguments of its calls, which are made of them, and its tools."""
    yield from (tool.line() for tool in transcript.tools)
    for turn in transcript.turns:
        match turn:
            case UserTurn(content) | ToolTurn(_, content) | SummarizerTurn(content):
                yield content
            case CallerTurn(calls):
                yield from (str(value) for call in calls for value in call.arguments.values())
            case _:
                pass


def _quantities(text: str) -> Iterator[tuple[str, Unit]]:
    """Yield the numbers of `text` that a unit follows, and the unit."""
    for number, words in _QUANTITY.findall(text):
        if unit := find_unit(words) or find_unit(words.split(" ")[0]):
            yield number, unit


def _wrong_unit(answer: str, texts: Sequence[str]) -> str:
    known: dict[str, set[Unit]] = {}
    for text in texts:
        for number, unit in _quantities(text):
            known.setdefault(number, set()).add(unit)
    for number, unit in _quantities(answer):
        alike = {other for other in known.get(number, ()) if other.kind == unit.kind}
        if alike and unit not in alike:
            return f"{number} has another unit than in its source"
    return ""


def _unknown_name(answer: str, said: Sequence[str]) -> str:
    texts = unicodedata.normalize("NFC", "\n".join(said)).lower()
    words = [word for word in re.findall(r"[^\W\d_]+", answer) if not word.isascii()]
    names = [name for name in _NAME.findall(answer) if name.lower() not in _KNOWN_NAMES]
    for name in (*_FILE.findall(answer), *words, *names):
        if unicodedata.normalize("NFC", name).lower().rstrip(".'") not in texts:
            return f"{name} stands nowhere in what was said"
    return ""


def _incomplete_list(answer: str, question: str, observation: ToolTurn) -> str:
    prefix = _NOTE_NUMBER if observation.name == "search_notes" else ""
    lines = [re.sub(prefix, "", line.strip()) for line in observation.content.splitlines() if line.strip()]
    places = [answer.find(line) for line in lines]
    told = [place for place in places if place >= 0]
    if observation.name not in _LISTING or len(lines) < LEAST_LIST:
        return ""
    if len(told) < 2 or len(set(lines)) < len(lines):
        return ""
    if told != sorted(told):
        return "it tells a list in another order"
    if len(told) < len(lines) <= 2 * len(told) and not _PART.search(question):
        return f"it leaves out {lines[places.index(-1)]}"
    return ""
