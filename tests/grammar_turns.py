"""Writing a turn under a grammar, token by token."""

from __future__ import annotations

from agent.llama.binding.model import Vocabulary
from agent.llama.grammar.constraints import Constraint
from agent.prompting import CHATML


def end_token(vocabulary: Vocabulary) -> int:
    """The token that closes a turn."""
    return vocabulary.tokenize(CHATML.close, True)[0]


def can_write(constraint: Constraint, text: str, vocabulary: Vocabulary) -> bool:
    """Whether `text` is a whole turn."""
    for token in vocabulary.tokenize(text, False):
        if not constraint.allows(token):
            return False
        constraint.accept(token)
    assert constraint.allows(end_token(vocabulary)) == constraint.may_end
    return constraint.may_end
