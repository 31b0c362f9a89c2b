"""The `chat` dialect: a transcript as the token ids that a stock instruct model reads.

Control tokens come from the markup of the model's chat template only. The text between two of them is
tokenized in one piece, as when the whole prompt is tokenized, but with special tokens off: no text of a user,
a tool or a file can open or close a turn or a call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from agent.prompting.call_markup import PLAIN
from agent.prompting.chat_template import ChatTemplate, Piece
from agent.prompting.encoding import common_length
from agent.prompting.markers import Tokenize
from agent.transcript import Transcript, UserTurn

_CALL_BEGINNINGS = (PLAIN.before, '{ "', "{\n", "[{", "```json", "```\n{")
"""Beginnings of calls in plain JSON, which small models often write instead of their template's markup."""


class ChatPrompts:
    """The prompts of one model: its chat template and its tokenizer."""

    def __init__(self, template: ChatTemplate, tokenize: Tokenize, bos: int | None = None) -> None:
        """Prompt with `template`; `bos` is the token to begin every prompt with, if the model expects one."""
        self.template = template
        self._tokenize = tokenize
        self._bos = [] if bos is None else [bos]
        single = {marker: tokenize(marker, True) for marker in template.markers}
        self._control = {marker: ids[0] for marker, ids in single.items() if len(ids) == 1}
        # In some vocabularies plain text also becomes control tokens (llama.cpp's "user defined" tokens).
        eager = [marker for marker, token in self._control.items() if tokenize(marker, False) == [token]]
        self._eager = re.compile(f"(?=(?:{_any(eager)}))" if eager else r"(?!)")
        self._last_system: tuple[Transcript | None, list[int]] = (None, [])
        self._split = re.compile(f"({_any(list(self._control))})" if self._control else r"((?!))")

    def prompt(self, transcript: Transcript) -> list[int]:
        """Return the ids of the transcript and of the opening of the assistant's message.

        Raise BundleError where the template refuses the conversation.
        """
        ids = self.ids(self.template.pieces(transcript))
        return ids if ids[:1] == self._bos else self._bos + ids

    def system_ids(self, transcript: Transcript) -> list[int]:
        """Return the ids that begin every prompt with these tools and this standing instruction."""
        system, ids = replace(transcript, turns=()), self._last_system[1]
        if system != self._last_system[0]:
            one, other = (self.prompt(system.plus(UserTurn(text))) for text in "a1")
            ids = one[: common_length(one, other)]
            self._last_system = system, ids
        return ids

    def answer_opening(self) -> list[int]:
        """Return the ids that follow a prompt where the model answers in words."""
        return self._following(Piece(self.template.answer_opening))

    def call_openings(self, transcript: Transcript) -> Mapping[str, list[int]]:
        """Return, for each tool on offer, the ids that follow a prompt up to the arguments of its call.

        A space before the arguments is left out: it belongs to the token of their opening brace.
        """
        return {
            tool.name: self._following(Piece(self.template.markup.opening(tool.name).rstrip(" ")))
            for tool in transcript.listed_tools
        }

    def call_beginnings(self) -> list[int]:
        """Return the ids with which a call may begin, in the template's markup or as plain JSON."""
        found: set[int] = set()
        before = self.template.markup.before.lstrip()
        control = self._split.match(before)
        if control:
            found.add(self._control[control[0]])
        for text in (*_CALL_BEGINNINGS, *([] if control else [before])):
            for end in range(1, len(text) + 1):
                ids = self._following(Piece(text[:end]))
                if len(ids) == 1 and text[:end].strip():
                    found.add(ids[0])
        return sorted(found)

    def ids(self, pieces: list[Piece]) -> list[int]:
        """Return the ids of a rendered chat."""
        ids: list[int] = []
        text = ""
        for piece in pieces:
            parts = [piece.text] if piece.content else self._split.split(piece.text)
            for at, part in enumerate(parts):
                if at % 2 == 0:
                    text += part
                    continue
                ids += self._text(text, first=not ids)
                ids.append(self._control[part])
                text = ""
        return ids + self._text(text, first=not ids)

    def has_control_token(self, markup: str) -> bool:
        """Return whether `markup` has a control token, which no text can produce."""
        return bool(self._split.search(markup))

    def _following(self, piece: Piece) -> list[int]:
        """Return the ids of a piece that follows a prompt."""
        before = self.ids([Piece("\n")])
        whole = self.ids([Piece("\n"), piece])
        return whole[len(before) :] if whole[: len(before)] == before else self.ids([piece])

    def _text(self, text: str, *, first: bool) -> list[int]:
        """Return the ids of a text; spellings of control tokens are split, so that they stay text."""
        if first and not self._eager.search(text):
            return self._tokenize(text, False) if text else []
        cuts = [0, *(found.start() + 1 for found in self._eager.finditer(text)), len(text)]
        return [i for start, end in pairwise(cuts) for i in self._continued(text[start:end])]

    def _continued(self, text: str) -> list[int]:
        """Return the ids of `text` after other text, since SentencePiece adds a space before a text."""
        if not text:
            return []
        before = self._tokenize("\n", False)
        whole = self._tokenize(f"\n{text}", False)
        return whole[len(before) :] if whole[: len(before)] == before else self._tokenize(text, False)


def check_template(prompts: ChatPrompts) -> list[str]:
    """Return warnings about a model's template, one line each; empty where there are none."""
    template = prompts.template
    chats = template.sample()
    warnings = []
    if template.style.markup is None:
        warnings.append("it shows no tools or no calls: tools stand in the system message, calls are JSON")
    if not template.style.system:
        warnings.append("no system role: its text stands in the first user message")
    if not template.style.results:
        warnings.append("no tool role: results of tools stand in user messages")
    if not template.stable:
        old, new = (prompts.ids(chat) for chat in chats[-2:])
        warnings.append(
            "earlier messages change when later ones are added: prompts are read anew at every step"
            f" ({common_length(old, new)} of {len(old)} tokens are kept in a sample conversation)"
        )
    borders = {b.text for chat in chats for a, b in pairwise(chat) if a.content and not b.content}
    # A border inside a message, as between the texts of a tool, divides nothing.
    closing = {chat[-1].text for chat in chats}
    plain = sorted(border for border in borders & closing if not prompts.has_control_token(border))
    if plain:
        warnings.append(
            f"messages are divided by plain text ({', '.join(map(repr, plain))}):"
            " a file or a tool's result can imitate it"
        )
    if template.thinks:
        warnings.append("the template opens a thought in any case: the model is shown an empty one")
    return warnings


def _any(texts: list[str]) -> str:
    """Return a regular expression of the texts, the longest first."""
    return "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))
