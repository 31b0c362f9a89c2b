"""The `chat` dialect: a transcript as the token ids that a stock instruct model reads.

The markup of the model's own chat template is tokenized with special tokens on and each text with them off.
So no text of a person, a tool or a file can open or close a turn. Ids of turns that two prompts share are
the same, so a context keeps what it has read.
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
    """The ids of the transcript so far, `role`'s instruction and the opening of the assistant's message.

    Two prompts share the ids of the turns they share, where the template is `stable`. Raises BundleError
    where the template refuses the conversation.
    """
    return _Tokens(template, tokenize).ids(template.pieces(transcript, role))


def chat_system_ids(transcript: Transcript, template: ChatTemplate, tokenize: Tokenize) -> list[int]:
    """The ids with which every prompt over these tools and this instruction begins.

    None where the template is not `stable`.
    """
    if not template.stable:
        return []
    said = replace(transcript, turns=())
    pieces = template.pieces(said, "planner")
    last = len(chat_system(said)) - 1
    end = next(at for at, piece in enumerate(pieces) if piece.part == last) + 1
    return _Tokens(template, tokenize).ids(pieces[:end])


def check_template(template: ChatTemplate, tokenize: Tokenize) -> list[str]:
    """What a person should know of a template, a line each; none where all is well."""
    tokens = _Tokens(template, tokenize)
    chats = template.sample()
    told = []
    if not template.style.system:
        told.append("no system role: the tools stand in the first user message")
    if not template.style.tool:
        told.append("no tool role: results of tools stand in user messages")
    if not template.style.repeated:
        told.append("no two user messages in a row: instructions are joined to the message before them")
    if not template.stable:
        old, new = (tokens.ids(chat) for chat in chats[-2:])
        kept = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
        told.append(
            "earlier messages change when later ones are added: prompts are read anew at every step"
            f" ({kept} of {len(old)} tokens are kept in a sample conversation)"
        )
    borders = {b.text for chat in chats for a, b in pairwise(chat) if a.part is not None and b.part is None}
    plain = sorted(border for border in borders if not tokens.marks(border))
    if plain:
        told.append(
            f"messages are divided by plain text ({', '.join(map(repr, plain))}):"
            " a file or a tool's result can imitate it"
        )
    if template.thinks:
        told.append("the template opens a thought in any case: the model is shown an empty one")
    return told


class _Tokens:
    """The tokens of a template's pieces."""

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
        """The ids of a chat."""
        ids: list[int] = []
        space = ""
        for piece in pieces:
            if piece.part is None:
                # A space belongs to the word after it, as it does wherever a whole text is tokenized.
                markup = piece.text.rstrip(" ")
                space = piece.text[len(markup) :]
                ids += self._continued(markup, True) if ids else self._tokenize(markup, True)
            else:
                ids += self._text(space + piece.text)
                space = ""
        return ids + self._continued(space, True)

    def marks(self, markup: str) -> bool:
        """Whether `markup` holds a control token, which no text can bring about."""
        return self._continued(markup, True) != self._text(markup)

    def _text(self, text: str) -> list[int]:
        """The ids of a text, without control tokens: what would become one is cut after its first letter."""
        cuts = [0, *(found.start() + 1 for found in self._eager.finditer(text)), len(text)]
        return [i for start, end in pairwise(cuts) for i in self._continued(text[start:end], False)]

    def _continued(self, text: str, special: bool) -> list[int]:
        """The ids of `text` after some other: SentencePiece puts a space before a text that begins one."""
        if not text:
            return []
        before = self._tokenize("\n", False)
        whole = self._tokenize(f"\n{text}", special)
        return whole[len(before) :] if whole[: len(before)] == before else self._tokenize(text, special)
