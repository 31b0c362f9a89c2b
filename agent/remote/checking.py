"""A turn that a server wrote, held to the grammar that the local engine would have held it to.

The grammar runs over bytes, so no tokenizer of the model is needed.
"""

from __future__ import annotations

from collections.abc import Mapping

from llguidance import LLMatcher, LLTokenizer

from agent.errors import EngineError, InputError
from agent.llama.grammar.calls import Kinds, caller_grammar
from agent.llama.grammar.constraints import role_grammar
from agent.transcript import Role, ToolSpec, Transcript


class TurnCheck:
    """Reads a turn piece by piece and tells how much of it its grammar allows."""

    def __init__(self, grammar: str) -> None:
        self._matcher = LLMatcher(_tokenizer(), grammar, log_level=0)
        if self._matcher.is_error():
            raise EngineError(f"a grammar does not compile: {self._matcher.get_error().splitlines()[0]}")
        self._failed = False

    def feed(self, text: str) -> bool:
        """Return whether `text` may come next."""
        data = list(text.encode("utf-8"))
        if not self._failed and data:
            self._failed = self._matcher.is_stopped() or self._matcher.try_consume_tokens(data) < len(data)
        return not self._failed

    @property
    def is_complete(self) -> bool:
        """Whether the text so far is a whole turn."""
        return not self._failed and self._matcher.is_accepting()


def turn_grammar(
    role: Role, transcript: Transcript, kinds: Mapping[str, Kinds], *, grounded: bool, brief: bool = False
) -> str:
    """Return the grammar of the turn of `role`, as the local engine has it."""
    return role_grammar(role, transcript, grounded=grounded, kinds=kinds, brief=brief)


def check_tools(tools: tuple[ToolSpec, ...]) -> None:
    """Raise InputError naming a tool whose parameters no grammar takes."""
    for tool in tools:
        if message := LLMatcher.validate_grammar(caller_grammar([tool]), _tokenizer()):
            raise InputError(
                f"the parameters of the tool {tool.name} are a JSON Schema that models cannot be held to"
                f" ({message.splitlines()[0][:120]})",
                "simplify its parameters or leave it out with --tools",
            )


def _tokenizer() -> LLTokenizer:
    return LLTokenizer("byte")
