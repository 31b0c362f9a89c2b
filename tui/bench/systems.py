"""The systems that are compared: each writes the turns of the trace and returns their tokens and seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Protocol

from agent.bundle import Bundle
from agent.config import EngineSettings
from agent.engine import Delta, Generated
from agent.errors import EngineError
from agent.evaluation.trace import TraceTurn
from agent.events import Usage
from agent.llama.decoding import ForcedDecoding
from agent.llama.engine import LlamaEngine
from agent.llama.session import ModelSession
from agent.transcript import ROLES, Role


class System(Protocol):
    """Loaded models that write one turn after the other."""

    def write(self, turn: TraceTurn, first: Callable[[], None]) -> Usage:
        """Write `turn` and return its usage; `first` is called when the first token is known."""
        ...

    def close(self) -> None:
        """Free the models."""
        ...


class UmiEngine:
    """umi's engine. Forced tokens are decoded one by one, so that every system does the same work."""

    def __init__(self, bundle: Bundle, settings: EngineSettings, roles: tuple[Role, ...] = ROLES) -> None:
        self.engine = LlamaEngine(bundle, settings, roles)

    def write(self, turn: TraceTurn, first: Callable[[], None]) -> Usage:
        """As in System. Raises EngineError where another text is written."""
        waiting = True
        pieces = self.engine.generate(
            turn.role, turn.before, cancelled=lambda: False, forced=ForcedDecoding(turn.text)
        )
        for piece in pieces:
            match piece:
                case Delta() if waiting:
                    first()
                    waiting = False
                case Generated(text, _, usage):
                    require_text(turn, text)
                    return usage
                case _:
                    pass
        raise AssertionError("an engine's last piece is Generated")

    def close(self) -> None:
        """As in System."""
        self.engine.close()


class PlainModels:
    """Three models as in alpha-UMi: every prompt is read whole, greedy decoding, no grammar.

    The summarizer's prompt holds no tools, as in the paper's release.
    """

    def __init__(self, bundle: Bundle, settings: EngineSettings) -> None:
        self._sessions = {role: ModelSession(bundle, [role], settings, None) for role in ROLES}

    def write(self, turn: TraceTurn, first: Callable[[], None]) -> Usage:
        """As in System."""
        session = self._sessions[turn.role]
        before = replace(turn.before, tools=()) if turn.role == "summarizer" else turn.before
        ids = session.prompt(turn.role, before).ids
        tokens = session.vocabulary.tokenize(turn.text, False)
        started = perf_counter()
        session.context.truncate(0)
        session.context.decode(ids)
        session.context.logits().argmax()
        read = perf_counter()
        first()
        for token in tokens:
            session.context.decode([token])
            session.context.logits().argmax()
        return Usage(len(ids), 0, len(tokens), read - started, perf_counter() - read)

    def close(self) -> None:
        """As in System."""
        for session in self._sessions.values():
            session.close()


def require_text(turn: TraceTurn, text: str) -> None:
    """Raise EngineError where `text` is not the text of the turn."""
    if text != turn.text:
        raise EngineError(f"the {turn.role} wrote {text!r} in the place of {turn.text!r}", "report it")
