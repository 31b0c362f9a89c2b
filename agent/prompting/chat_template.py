"""A model's chat template: which forms of a conversation it can render, and a transcript rendered in them.

A template gets placeholders in the place of texts, and its output is split at the placeholders. So no text
can change what a template does, and markup is kept apart from content. Words of letters and digits, as names
of tools and parameters are, stand for themselves: they can spell no markup.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from typing import Any

from agent.errors import BundleError
from agent.prompting.call_markup import (
    CONTROL_TOKEN,
    PLAIN,
    PROBE_ARGUMENTS,
    PROBE_NAME,
    PROBE_QUESTION,
    CallMarkup,
    find_markup,
)
from agent.prompting.chat_messages import Message, Style, chat_messages
from agent.templates.program import HINT, TemplateLimitError, TemplateProgram
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    Transcript,
    UserTurn,
    compact,
)

_OPEN_THOUGHT = re.compile(r"<([\w:]*think\w*)>\s*\Z")
_WORD = re.compile(r"[A-Za-z_$][\w$-]*", re.ASCII)
_ASKED = Transcript((ToolSpec(PROBE_NAME, "It probes.", {"type": "object"}),), (UserTurn(PROBE_QUESTION),))
_CALLED = _ASKED.plus(CallerTurn((Call(PROBE_NAME, PROBE_ARGUMENTS),)), ToolTurn(PROBE_NAME, "A result."))


@dataclass(frozen=True)
class Piece:
    """A piece of a rendered chat: markup of the template, or a text that someone supplied."""

    text: str
    content: bool = False


class ChatTemplate:
    """A model's chat template.

    `style` is the form of chats that it can render, `stable` whether a longer chat begins with a shorter one.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        """Compile `source`, a GGUF file's `tokenizer.chat_template`, and find the style that it can render.

        `bos` and `eos` are the texts of these control tokens. Raise BundleError where the template does not
        compile or can render no chat, TemplateLimitError where that takes too much time or memory.
        """
        # Letters and digits only, which no filter alters, and no text of the template itself.
        self._stem = "umiPart"
        while self._stem in source + bos + eos:
            self._stem += "X"
        self._template = TemplateProgram(source, (rf"{self._stem}(\d+)z", rf"{self._stem}\1j"))
        self._variables = {
            **{"bos_token": bos, "eos_token": eos, "documents": None},
            **{"add_generation_prompt": True, "enable_thinking": False, "thinking": False},
        }
        self.style, self.stable = self._fitting_style()
        opening = self._answer_opening()
        self.answer_opening = opening if self.style.markup else ""
        """What follows a prompt where the model answers; empty in most templates."""
        self._opening = "" if self.style.markup else opening
        """The same for a model whose calls are text, as answers are: it ends every prompt."""

    @property
    def markup(self) -> CallMarkup:
        """The markup of a call."""
        return self.style.markup or PLAIN

    @property
    def thinks(self) -> bool:
        """Whether the template opens a thought although `enable_thinking` is false; it is closed empty."""
        return bool(_OPEN_THOUGHT.search(self._rendered(Transcript((), _ASKED.turns), self.style)[-1].text))

    @cached_property
    def markers(self) -> list[str]:
        """The texts in the form of control tokens in the template and in what it renders."""
        shown = [piece.text for chat in self.sample() for piece in chat if not piece.content]
        shown += [self.markup.before, self.markup.middle, self.answer_opening]
        return sorted(
            {marker for text in self._template.literals + shown for marker in CONTROL_TOKEN.findall(text)}
        )

    def pieces(self, transcript: Transcript) -> list[Piece]:
        """Return the rendered chat at the end of which the model continues `transcript`.

        Raise BundleError where the template refuses it or leaves a message out.
        """
        *pieces, last = self._rendered(transcript, self.style)
        return [*pieces, Piece(_OPEN_THOUGHT.sub(r"<\1>\n\n</\1>\n\n", last.text) + self._opening)]

    def sample(self) -> list[list[Piece]]:
        """Return the rendered chats of a sample conversation, at each of its steps."""
        return [self.pieces(transcript) for transcript in _sample_steps()]

    def _fitting_style(self) -> tuple[Style, bool]:
        """Return the first stable style, or the first that renders all samples; and whether it is stable.

        A style in which the template shows tools and calls itself goes before all others.
        """
        refusal = BundleError("")
        for native in (True, False):
            first: Style | None = None
            for as_text, system, results in product(
                (False, True) if native else (False,), *[(True, False)] * 2
            ):
                try:
                    style = Style(system, results, PLAIN if native else None, as_text)
                    markup = self._find_markup(style) if native else None
                    if native and markup is None:
                        continue
                    style = Style(system, results, markup, as_text)
                    chats = [self._rendered(transcript, style) for transcript in _sample_steps()]
                except TemplateLimitError:
                    raise
                except BundleError as error:
                    refusal = error
                    continue
                if all(_begins_with(old, new) for old, new in pairwise(chats)):
                    return style, True
                first = first or style
            if first is not None:
                return first, False
        raise refusal

    def _find_markup(self, style: Style) -> CallMarkup | None:
        prompt, called = (
            "".join(piece.text for piece in self._rendered(transcript, style))
            for transcript in (_ASKED, _CALLED)
        )
        return find_markup(prompt, called)

    def _answer_opening(self) -> str:
        """Return what the template writes between the end of a prompt and an answer in the history."""
        asked = Transcript((), _ASKED.turns)
        answered = asked.plus(SummarizerTurn("An answer."), UserTurn("Another question."))
        prompt = self._rendered(asked, self.style)[-1].text
        shown = self._rendered(answered, self.style)
        at = next(i for i, piece in enumerate(shown) if piece.content and piece.text == "An answer.")
        before = shown[at - 1].text if at and not shown[at - 1].content else ""
        return before.removeprefix(prompt) if before.startswith(prompt) else ""

    def _rendered(self, transcript: Transcript, style: Style) -> list[Piece]:
        """Return the rendered chat; the last piece is markup. Raise BundleError where a text is missing."""
        hidden = _Placeholders(self._stem)
        messages = [
            hidden.message(message, number, as_text=style.arguments_as_text)
            for number, message in enumerate(chat_messages(transcript, style))
        ]
        required = len(hidden.texts)
        tools = [hidden.tool(tool) for tool in transcript.listed_tools] if style.markup else None
        text = self._template.render({**self._variables, "messages": messages, "tools": tools or None})
        shown = re.split(rf"{self._stem}(\d+)([zj])", text)
        numbers = set(map(int, shown[1::3]))
        if not set(range(required)) <= numbers or not numbers <= set(range(len(hidden.texts))):
            raise BundleError("the model's chat template does not show every message as it is", HINT)
        if tools and not all(tool.name in text for tool in transcript.tools if _WORD.fullmatch(tool.name)):
            raise BundleError("the model's chat template does not show every tool", HINT)
        pieces = [Piece(shown[0])] if shown[0] else []
        for number, form, markup in zip(shown[1::3], shown[2::3], shown[3::3], strict=True):
            content = hidden.texts[int(number)]
            pieces.append(
                Piece(json.dumps(content, ensure_ascii=False)[1:-1] if form == "j" else content, True)
            )
            if markup:
                pieces.append(Piece(markup))
        return pieces if pieces and not pieces[-1].content else [*pieces, Piece("")]


class _Placeholders:
    """The texts that a template does not see, and what it is given in their place."""

    def __init__(self, stem: str) -> None:
        self.texts: list[str] = []
        self._stem = stem
        self._numbers: dict[str, int] = {}

    def message(self, message: Message, number: int, *, as_text: bool) -> dict[str, Any]:
        """Return a message in the form that templates take."""
        shown: dict[str, Any] = {"role": message.role, "content": self._text(message.content)}
        if message.role == "tool":
            shown |= {"name": self._word(message.name), "tool_call_id": _call_id(number - 1)}
        if message.call is not None:
            arguments = dict(message.call.arguments)
            function = {
                "name": self._word(message.call.name),
                "arguments": self._text(compact(arguments)) if as_text else self._value(arguments),
            }
            shown["tool_calls"] = [{"type": "function", "id": _call_id(number), "function": function}]
        return shown

    def tool(self, tool: ToolSpec) -> dict[str, Any]:
        """Return a tool in the form that templates take."""
        function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
        return {"type": "function", "function": self._value(function)}

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._word(value)
        if isinstance(value, Mapping):
            return {self._word(key): self._value(part) for key, part in value.items()}
        return [self._value(part) for part in value] if isinstance(value, Sequence) else value

    def _word(self, text: str) -> str:
        """Return the text itself where it can spell no markup and no placeholder, the same one elsewhere."""
        if not text or (_WORD.fullmatch(text) and not text.startswith(self._stem)):
            return text
        if text not in self._numbers:
            self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return self._placeholder(self._numbers[text])

    def _text(self, text: str) -> str:
        """Return a placeholder for the text; an empty one stays empty, since templates ask for that."""
        if not text:
            return ""
        self.texts.append(text)
        return self._placeholder(len(self.texts) - 1)

    def _placeholder(self, number: int) -> str:
        return f"{self._stem}{number}z"


def _call_id(number: int) -> str:
    """Return the id of a call: nine letters and digits, which is what Mistral's templates take."""
    return f"call{number % 100_000:05d}"


def _begins_with(old: list[Piece], new: list[Piece]) -> bool:
    """Return whether `new` begins with `old` up to its last content."""
    contents = [at for at, piece in enumerate(old) if piece.content]
    end = contents[-1] + 1 if contents else 0
    return old[:end] == new[:end]


def _sample_steps() -> Iterator[Transcript]:
    """Yield a sample conversation with every kind of turn, at each step at which a role generates."""
    look = ToolSpec(
        "look", "Look something up.", {"type": "object", "properties": {"at": {"type": "number"}}}
    )
    so_far = Transcript((look,), (), "Be brief.")
    yield (so_far := so_far.plus(UserTurn("one")))
    for at in range(2):
        called = CallerTurn((Call("look", {"at": at}),))
        yield (so_far := so_far.plus(PlannerTurn("", "caller"), called, ToolTurn("look", "this there")))
    yield (so_far := so_far.plus(SummarizerTurn("This."), UserTurn("two")))
    yield (so_far := so_far.plus(SummarizerTurn("That."), UserTurn("three")))
    called = CallerTurn((Call("look", {"at": 3}),))
    yield (so_far := so_far.plus(PlannerTurn("", "caller"), called, ToolTurn("look", "nothing there", True)))
    yield so_far.plus(PlannerTurn("Nothing can do that.", "give up"), UserTurn("four"))
