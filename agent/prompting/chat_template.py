"""A model's chat template: which messages it can render, and a transcript rendered as those messages.

A template gets roles and placeholders, never a text, and its output is split at the placeholders. So no text
can change what a template does, and markup is kept apart from content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise, product

from agent.errors import BundleError
from agent.prompting.chat_text import CHAT_ANSWER, chat_instruction, chat_result, chat_system
from agent.prompting.sandbox import HINT, CompiledTemplate
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
"""The form of control tokens."""
_OPEN_THOUGHT = re.compile(r"<([\w:]*think\w*)>\s*\Z")
_ANSWER_PART = "2"
"""The number of the answer's part in a chat of system message, question and answer."""


@dataclass(frozen=True)
class Style:
    """What a template can render: a `system` message, `tool` messages, two `repeated` user messages."""

    system: bool
    tool: bool
    repeated: bool


@dataclass
class Message:
    """A message of a chat. Its parts are tokenized separately, so that it can grow."""

    role: str
    parts: list[str]


@dataclass(frozen=True)
class Piece:
    """A piece of a rendered chat: markup of the template or, with its number, a part of a message."""

    text: str
    part: int | None = None


class ChatTemplate:
    """A model's chat template.

    `style` is the form of chats that it can render, `stable` whether a longer chat begins with a shorter one.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        """Compile `source`, a GGUF file's `tokenizer.chat_template`, and find the style that it can render.

        `bos` and `eos` are the texts of these control tokens. Raise BundleError where the template does not
        compile or can render no chat.
        """
        self._template = CompiledTemplate(source)
        self._variables = {
            **{"bos_token": bos, "eos_token": eos, "tools": None, "documents": None},
            **{"add_generation_prompt": True, "enable_thinking": False, "thinking": False},
        }
        # Letters and digits only, which no filter alters, and no text of the template itself.
        self._placeholder = "umiPart"
        while self._placeholder in source + bos + eos:
            self._placeholder += "X"
        self._numbered = re.compile(rf"{self._placeholder}(\d+)z")
        self._opening = ""
        self.style, self.stable = self._fitting_style()
        self._opening = self._answer_opening()

    @property
    def thinks(self) -> bool:
        """Whether the template opens a thought although `enable_thinking` is false; it is closed empty."""
        return bool(
            _OPEN_THOUGHT.search(self._rendered(chat_messages(Transcript(), "planner", self.style))[-1])
        )

    @cached_property
    def markers(self) -> list[str]:
        """The texts in the form of control tokens in the template and in what it renders."""
        shown = [piece.text for chat in self.sample() for piece in chat if piece.part is None]
        return sorted(
            {marker for text in self._template.literals + shown for marker in _MARKER.findall(text)}
        )

    def pieces(self, transcript: Transcript, role: Role) -> list[Piece]:
        """Return the rendered chat in which `role` continues `transcript`; the last part is its instruction.

        Raise BundleError where the template refuses it or leaves a message out.
        """
        return self._pieces(chat_messages(transcript, role, self.style))

    def sample(self) -> list[list[Piece]]:
        """Return the rendered chats of a sample conversation, at each of its steps."""
        return [self.pieces(transcript, role) for transcript, role in _sample_steps()]

    def _fitting_style(self) -> tuple[Style, bool]:
        """Return the first stable style, or the first that renders all samples; and whether it is stable."""
        first: Style | None = None
        refusal = BundleError("")
        for system, tool, repeated in product((True, False), repeat=3):
            style = Style(system, tool, repeated)
            chats = [chat_messages(transcript, role, style) for transcript, role in _sample_steps()]
            try:
                rendered = [(self._pieces(chat), sum(len(each.parts) for each in chat)) for chat in chats]
            except BundleError as error:
                refusal = error
                continue
            if all(_begins_with(old, new, parts - 1) for (old, parts), (new, _) in pairwise(rendered)):
                return style, True
            first = first or style
        if first is None:
            raise refusal
        return first, False

    def _answer_opening(self) -> str:
        """Return the markup between a user message and an answer that is not the last message."""
        answered = Transcript((), (UserTurn(""), SummarizerTurn(""), UserTurn("")))
        rendered = self._rendered(chat_messages(answered, "planner", self.style))
        return rendered[2 * rendered[1::2].index(_ANSWER_PART)]

    def _rendered(self, messages: list[Message]) -> list[str]:
        """Return markup and part numbers, alternately."""
        numbers = count()
        shown = [
            {
                "role": each.role,
                "content": "".join(f"{self._placeholder}{next(numbers)}z" for _ in each.parts),
            }
            for each in messages
        ]
        return self._numbered.split(self._template.render({**self._variables, "messages": shown}))

    def _pieces(self, messages: list[Message]) -> list[Piece]:
        parts = {str(at): part for at, part in enumerate(part for each in messages for part in each.parts)}
        rendered = self._rendered(messages)
        if set(rendered[1::2]) != set(parts):
            raise BundleError("the model's chat template does not show every message as it is", HINT)
        if self._opening.startswith(rendered[-1]):
            # Some models generate the rest of the opening themselves; here they may generate text only.
            rendered[-1] = self._opening
        rendered[-1] = _OPEN_THOUGHT.sub(r"<\1>\n\n</\1>\n\n", rendered[-1])
        return [
            Piece(parts[text], int(text)) if index % 2 else Piece(text)
            for index, text in enumerate(rendered)
            if index % 2 or text
        ]


def chat_messages(transcript: Transcript, role: Role, style: Style) -> list[Message]:
    """Return the chat in which `role` continues `transcript`, from system message to instruction."""
    messages = [Message("system" if style.system else "user", chat_system(transcript))]

    def add(role_name: str, text: str) -> None:
        if role_name == messages[-1].role == "assistant":
            messages.append(Message("user", [CHAT_ANSWER]))
        if role_name == messages[-1].role == "user" and not style.repeated:
            messages[-1].parts.append(f"\n\n{text}")
        else:
            messages.append(Message(role_name, [text]))

    for turn in transcript.turns:
        text = segment(turn).content
        match turn:
            case UserTurn():
                add("user", text)
            case CallerTurn() if messages[-1].role == "assistant":
                messages[-1].parts.append(f"\n{text}")
            case PlannerTurn() | CallerTurn() | SummarizerTurn():
                add("assistant", text)
            case ToolTurn():
                add("tool", text) if style.tool else add("user", chat_result(turn))
    add("user", chat_instruction(role, transcript))
    return messages


def _begins_with(old: list[Piece], new: list[Piece], parts: int) -> bool:
    """Return whether `new` begins with `old` up to its part `parts` - 1, which leaves out the instruction."""
    end = max(at for at, piece in enumerate(old) if piece.part == parts - 1) + 1
    return old[:end] == new[:end]


def _sample_steps() -> Iterator[tuple[Transcript, Role]]:
    """Yield a sample conversation with every kind of turn, at each step at which a role generates."""
    look = ToolSpec("look", "Look something up.", {"type": "object", "properties": {}})
    calls = CallerTurn((Call("look", {}), Call("look", {"at": 1})))
    so_far = Transcript((look,), (), "Be brief.")
    yield so_far, "planner"
    yield (so_far := so_far.plus(UserTurn("one"))), "planner"
    found = ToolTurn("look", "this"), ToolTurn("look", "nothing", True)
    for _ in range(2):
        yield (so_far := so_far.plus(PlannerTurn("I look.", "caller"))), "caller"
        yield (so_far := so_far.plus(calls, *found)), "planner"
    yield (so_far := so_far.plus(PlannerTurn("I know.", "summarizer"))), "summarizer"
    yield (so_far := so_far.plus(SummarizerTurn("This."), UserTurn("two"))), "planner"
    yield (so_far := so_far.plus(PlannerTurn("I know.", "summarizer"))), "summarizer"
    yield (so_far := so_far.plus(SummarizerTurn("That."), UserTurn("three"))), "planner"
    yield (so_far := so_far.plus(PlannerTurn("I look.", "caller"))), "caller"
    yield (so_far := so_far.plus(calls, *found)), "planner"
    yield so_far.plus(PlannerTurn("Nothing can do that.", "give up"), UserTurn("four")), "planner"
