"""A model's chat template at work: which messages it can show, and a transcript as those messages.

A template sees roles and placeholders, never a text: what it renders is split at the placeholders. So no text
can change what a template does, and what is markup stays apart from what someone said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise, product

from agent.errors import BundleError
from agent.prompting.chat_text import CHAT_ANSWER, chat_instruction, chat_result, chat_system
from agent.prompting.sandbox import HINT, Program
from agent.prompting.umi import segment
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    Role,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    Transcript,
    UserTurn,
)

_MARKER = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")
"""What control tokens look like."""
_OPEN_THOUGHT = re.compile(r"<([\w:]*think\w*)>\s*\Z")
_ANSWER_PART = "2"
"""The answer's number in a chat of the tools, a question and its answer."""


@dataclass(frozen=True)
class Style:
    """What a template can show: a `system` message, `tool` messages, and two `repeated` user messages."""

    system: bool
    tool: bool
    repeated: bool


@dataclass
class Message:
    """A message of a chat. Its text is in parts that are tokenized separately, so that it can grow."""

    role: str
    parts: list[str]


@dataclass(frozen=True)
class Piece:
    """A stretch of a rendered chat: markup of the template or, if numbered, one part of a message."""

    text: str
    part: int | None = None


class ChatTemplate:
    """A model's chat template. `style` is how chats are made for it, `stable` whether they only grow."""

    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        """Compile `source`, a GGUF file's `tokenizer.chat_template`, and try what it can show.

        `bos` and `eos` are the texts of these control tokens. Raises BundleError where the template does not
        compile or cannot show a chat at all.
        """
        self._program = Program(source)
        self._variables = {
            **{"bos_token": bos, "eos_token": eos, "tools": None, "documents": None},
            **{"add_generation_prompt": True, "enable_thinking": False, "thinking": False},
        }
        # Letters and digits only, which no filter alters, and nothing that the template itself can write.
        self._mark = "umiPart"
        while self._mark in source + bos + eos:
            self._mark += "X"
        self._numbered = re.compile(rf"{self._mark}(\d+)z")
        self._opening = ""
        self.style, self.stable = self._fitting_style()
        self._opening = self._answer_opening()

    @property
    def thinks(self) -> bool:
        """Whether the template opens a thought at the end although it is told not to; it is closed empty."""
        return bool(
            _OPEN_THOUGHT.search(self._rendered(chat_messages(Transcript(), "planner", self.style))[-1])
        )

    @cached_property
    def markers(self) -> list[str]:
        """What looks like a control token in the template's own texts and in what it renders."""
        shown = [piece.text for chat in self.sample() for piece in chat if piece.part is None]
        return sorted({marker for text in self._program.literals + shown for marker in _MARKER.findall(text)})

    def pieces(self, transcript: Transcript, role: Role) -> list[Piece]:
        """The chat in which `role` is to continue `transcript`; its last part is the role's instruction.

        Raises BundleError where the template refuses it or leaves a message out.
        """
        return self._pieces(chat_messages(transcript, role, self.style))

    def sample(self) -> list[list[Piece]]:
        """A conversation as it grows: what is read at each of its steps."""
        return [self.pieces(transcript, role) for transcript, role in _growing()]

    def _fitting_style(self) -> tuple[Style, bool]:
        """The first style in which every chat can be shown: one in which chats only grow if there is one."""
        first: Style | None = None
        refusal = BundleError("")
        for system, tool, repeated in product((True, False), repeat=3):
            style = Style(system, tool, repeated)
            chats = [chat_messages(transcript, role, style) for transcript, role in _growing()]
            try:
                shown = [(self._pieces(chat), sum(len(said.parts) for said in chat)) for chat in chats]
            except BundleError as error:
                refusal = error
                continue
            if all(_grows(old, new, parts - 1) for (old, parts), (new, _) in pairwise(shown)):
                return style, True
            first = first or style
        if first is None:
            raise refusal
        return first, False

    def _answer_opening(self) -> str:
        """The markup between a user's message and an answer, as it stands when the chat has gone on."""
        answered = Transcript((), (UserTurn(""), SummarizerTurn(""), UserTurn("")))
        rendered = self._rendered(chat_messages(answered, "planner", self.style))
        return rendered[2 * rendered[1::2].index(_ANSWER_PART)]

    def _rendered(self, messages: list[Message]) -> list[str]:
        """Markup and numbers of parts in turn."""
        numbers = count()
        shown = [
            {"role": said.role, "content": "".join(f"{self._mark}{next(numbers)}z" for _ in said.parts)}
            for said in messages
        ]
        return self._numbered.split(self._program.render({**self._variables, "messages": shown}))

    def _pieces(self, messages: list[Message]) -> list[Piece]:
        parts = {str(at): part for at, part in enumerate(part for said in messages for part in said.parts)}
        rendered = self._rendered(messages)
        if set(rendered[1::2]) != set(parts):
            raise BundleError("the model's chat template does not show every message as it is", HINT)
        if self._opening.startswith(rendered[-1]):
            # Some models write the rest of their opening themselves; here they may write text only.
            rendered[-1] = self._opening
        rendered[-1] = _OPEN_THOUGHT.sub(r"<\1>\n\n</\1>\n\n", rendered[-1])
        return [
            Piece(parts[text], int(text)) if index % 2 else Piece(text)
            for index, text in enumerate(rendered)
            if index % 2 or text
        ]


def chat_messages(transcript: Transcript, role: Role, style: Style) -> list[Message]:
    """The chat in which `role` is to continue `transcript`: its standing part, its turns, the instruction."""
    said = [Message("system" if style.system else "user", chat_system(transcript))]

    def say(who: str, text: str) -> None:
        if who == said[-1].role == "assistant":
            said.append(Message("user", [CHAT_ANSWER]))
        if who == said[-1].role == "user" and not style.repeated:
            said[-1].parts.append(f"\n\n{text}")
        else:
            said.append(Message(who, [text]))

    for turn in transcript.turns:
        text = segment(turn).content
        match turn:
            case UserTurn():
                say("user", text)
            case CallerTurn() if said[-1].role == "assistant":
                said[-1].parts.append(f"\n{text}")
            case PlannerTurn() | CallerTurn() | SummarizerTurn():
                say("assistant", text)
            case ToolTurn():
                say("tool", text) if style.tool else say("user", chat_result(turn))
    say("user", chat_instruction(role, transcript))
    return said


def _grows(old: list[Piece], new: list[Piece], parts: int) -> bool:
    """Whether `new` begins with what `old` shows of its first `parts` parts: all but the instruction."""
    end = max(at for at, piece in enumerate(old) if piece.part == parts - 1) + 1
    return old[:end] == new[:end]


def _growing() -> Iterator[tuple[Transcript, Role]]:
    """A conversation of all kinds of turns, at each of the steps at which a role is asked."""
    look = ToolSpec("look", "Look something up.", {"type": "object", "properties": {}})
    calls = CallerTurn((Call("look", {}), Call("look", {"at": 1})))
    said = Transcript((look,), (), "Be brief.")
    yield said, "planner"
    yield (said := said.plus(UserTurn("one"))), "planner"
    found = ToolTurn("look", "this"), ToolTurn("look", "nothing", True)
    for _ in range(2):
        yield (said := said.plus(PlannerTurn("I look.", "caller"))), "caller"
        yield (said := said.plus(calls, *found)), "planner"
    yield (said := said.plus(PlannerTurn("I know.", "summarizer"))), "summarizer"
    yield (said := said.plus(SummarizerTurn("This."), UserTurn("two"))), "planner"
    yield (said := said.plus(PlannerTurn("I know.", "summarizer"))), "summarizer"
    yield (said := said.plus(SummarizerTurn("That."), UserTurn("three"))), "planner"
    yield (said := said.plus(PlannerTurn("I look.", "caller"))), "caller"
    yield (said := said.plus(calls, *found)), "planner"
    yield said.plus(PlannerTurn("Nothing can do that.", "give up"), UserTurn("four")), "planner"
