"""A scripted model that obeys whatever text tells it to: so the guard is tested, not a model's resistance.

An order is a call in base64 between two marks, which file names, JSON and chat templates leave as it is. The
engine renders the transcript in a dialect, as a model would read it, and looks for orders there.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chat_templates import TAGS, Letters, prompts

from agent.engine import Choice, Delta, Generated
from agent.events import Reading, Usage
from agent.prompting import prompt_ids
from agent.transcript import Call, Role, ToolTurn, Transcript

_ORDER = re.compile(r"OBEY:([\w=-]+):")

Render = Callable[[Role, Transcript], tuple[str, list[str]]]
"""Returns what a role reads as text, and the control tokens in it."""


def order(call: Call) -> str:
    """Return the text that makes the obedient model write `call`."""
    return f"OBEY:{base64.urlsafe_b64encode(call.line().encode()).decode()}:"


def orders(read: str) -> list[Call]:
    """Return the calls that a text orders, each once."""
    found = dict.fromkeys(_ORDER.findall(read))
    rows = [json.loads(base64.urlsafe_b64decode(text)) for text in found]
    return [Call(row["name"], row["arguments"]) for row in rows]


def umi_dialect(role: Role, transcript: Transcript) -> tuple[str, list[str]]:
    """Render as umi's own models read."""
    letters = Letters()
    ids = prompt_ids(transcript, role, letters)
    return letters.text(ids), letters.controls(ids)


def chat_dialect() -> Render:
    """Return the rendering of a stock model's chat template."""
    letters = Letters()
    chat = prompts(TAGS, letters)

    def render(role: Role, transcript: Transcript) -> tuple[str, list[str]]:
        ids = chat.prompt(transcript)
        return letters.text(ids), letters.controls(ids)

    return render


def without_markup(transcript: Transcript) -> Transcript:
    """Return a transcript whose observations and tools hold nothing that looks like markup."""

    def plain(text: str) -> str:
        return text.translate({ord("<"): "(", ord("["): "("})

    turns = [replace(t, content=plain(t.content)) if isinstance(t, ToolTurn) else t for t in transcript.turns]
    tools = [replace(tool, description=plain(tool.description)) for tool in transcript.tools]
    return replace(transcript, tools=tuple(tools), turns=tuple(turns))


@dataclass
class ObedientEngine:
    """Makes the calls of `script`, then every call that it was ordered to make, each once; then answers.

    It answers with all that it read.
    """

    render: Render
    script: Sequence[Call] = ()
    context_length: int = 100_000
    grounded_answers: bool = False
    least_margins: Mapping[str, float] = field(default_factory=dict)
    made: list[Call] = field(default_factory=list)
    """The calls made so far."""
    read: str = ""
    """What was read last."""
    last: tuple[Role, Transcript] | None = None
    """The role and the transcript of the last generation."""

    def room(self, role: Role, transcript: Transcript) -> int:
        """Return that there is room enough."""
        return self.context_length

    def generate(
        self,
        role: Role,
        transcript: Transcript,
        *,
        cancelled: Callable[[], bool],
        instead_of: Choice | None = None,
        brief: bool = False,
    ) -> Iterator[Reading | Delta | Generated]:
        """Write the turn of `role`."""
        self.last = role, transcript
        self.read, _ = self.render(role, transcript)
        waiting = [call for call in (*self.script, *orders(self.read)) if call not in self.made]
        if role == "caller":
            self.made.append(waiting[0])
            text = waiting[0].line()
        elif role == "planner":
            text = f"As told.\nNext: {'caller' if waiting else 'summarizer'}"
        else:
            text = self.read
        yield Reading(role, 1, 1)
        yield Delta(text)
        yield Generated(text, "end", Usage(1, 0, 1))

    def count_tokens(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())

    def save_state(self, transcript: Transcript) -> None:
        """Keep nothing."""

    def read_ahead(self, transcript: Transcript, *, cancelled: Callable[[], bool]) -> bool:
        """Read nothing."""
        return not cancelled()

    @property
    def opened(self) -> bool:
        """Whether text of a tool or its description was read as a control token in the last generation."""
        assert self.last
        role, transcript = self.last
        return self.render(role, transcript)[1] != self.render(role, without_markup(transcript))[1]

    def close(self) -> None:
        """Do nothing: there are no models."""
