"""The `chat` dialect: a transcript as the token ids that a stock instruct model reads.

The markup of the model's chat template is tokenized with special tokens on and each text with them off, so
no text of a user, a tool or a file can open or close a turn. Turns that two prompts share have the same ids,
so a context reuses them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

from agent.prompting.chat_template import ChatTemplate, Piece
from agent.prompting.chat_text import chat_system
from agent.prompting.markers import Tokenize
from agent.transcript import Role, Transcript


def chat_prompt_ids(
    transcript: Transcript, role: Role, template: ChatTemplate, tokenize: Tokenize
) -> list[int]:
    """Return the ids of the transcript, the instruction of `role` and the opening of the assistant's message.

    Prompts share the ids of the turns they share where the template is `stable`. Raise BundleError where the
    template refuses the conversation.
    """
    return _PieceTokenizer(template, tokenize).ids(template.pieces(transcript, role))


def chat_system_ids(transcript: Transcript, template: ChatTemplate, tokenize: Tokenize) -> list[int]:
    """Return the ids that begin every prompt with these tools and this standing instruction.

    Empty where the template is not `stable`.
    """
    if not template.stable:
        return []
    system = replace(transcript, turns=())
    pieces = template.pieces(system, "planner")
    last = len(chat_system(system)) - 1
    end = next(at for at, piece in enumerate(pieces) if piece.part == last) + 1
    return _PieceTokenizer(template, tokenize).ids(pieces[:end])


def check_template(template: ChatTemplate, tokenize: Tokenize) -> list[str]:
    """Return warnings about a template, one line each; empty where there are none."""
    tokenizer = _PieceTokenizer(template, tokenize)
    chats = template.sample()
    warnings = []
    if not template.style.system:
        warnings.append("no system role: the tools stand in the first user message")
    if not template.style.tool:
        warnings.append("no tool role: results of tools stand in user messages")
    if not template.style.repeated:
        warnings.append("no two user messages in a row: instructions are joined to the message before them")
    if not template.stable:
        old, new = (tokenizer.ids(chat) for chat in chats[-2:])
        unchanged = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
        warnings.append(
            "earlier messages change when later ones are added: prompts are read anew at every step"
            f" ({unchanged} of {len(old)} tokens are kept in a sample conversation)"
        )
    borders = {b.text for chat in chats for a, b in pairwise(chat) if a.part is not None and b.part is None}
    plain = sorted(border for border in borders if not tokenizer.has_control_token(border))
    if plain:
        warnings.append(
            f"messages are divided by plain text ({', '.join(map(repr, plain))}):"
            " a file or a tool's result can imitate it"
        )
    if template.thinks:
        warnings.append("the template opens a thought in any case: the model is shown an empty one")
    return warnings


class _PieceTokenizer:
    """Tokenizes the pieces of a rendered chat."""

    def __init__(self, template: ChatTemplate, tokenize: Tokenize) -> None:
        self._tokenize = tokenize
        # Some vocabularies make control tokens of a plain text too (llama.cpp's "user defined" tokens).
        eager = [
            marker
            for marker in template.markers
            if len(tokenize(marker, False)) == 1 and tokenize(marker, False) == tokenize(marker, True)
        ]
        self._eager = re.compile(f"(?=(?:{'|'.join(map(re.escape, eager))}))" if eager else r"(?!)")

    def ids(self, pieces: list[Piece]) -> list[int]:
        """Return the ids of a rendered chat."""
        ids: list[int] = []
        space = ""
        for piece in pieces:
            if piece.part is None:
                # A space belongs to the word after it, as where a whole text is tokenized.
                markup = piece.text.rstrip(" ")
                space = piece.text[len(markup) :]
                ids += self._continued(markup, True) if ids else self._tokenize(markup, True)
            else:
                ids += self._text(space + piece.text)
                space = ""
        return ids + self._continued(space, True)

    def has_control_token(self, markup: str) -> bool:
        """Return whether `markup` has a control token, which no text can produce."""
        return self._continued(markup, True) != self._text(markup)

    def _text(self, text: str) -> list[int]:
        """Return the ids of a text; spellings of control tokens are split, so that they stay text."""
        cuts = [0, *(found.start() + 1 for found in self._eager.finditer(text)), len(text)]
        return [i for start, end in pairwise(cuts) for i in self._continued(text[start:end], False)]

    def _continued(self, text: str, special: bool) -> list[int]:
        """Return the ids of `text` after other text, since SentencePiece adds a space before a text."""
        if not text:
            return []
        before = self._tokenize("\n", False)
        whole = self._tokenize(f"\n{text}", special)
        return whole[len(before) :] if whole[: len(before)] == before else self._tokenize(text, special)
