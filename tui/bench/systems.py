"""The systems that are compared: each writes the trace's turns, and says what it read and kept for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Protocol

from agent.bundle import Bundle
from agent.engine import Delta, Generated
from agent.errors import EngineError
from agent.evaluation.trace import TraceTurn
from agent.events import Usage
from agent.llama.decoding import ForcedDecoding
from agent.llama.engine import LlamaEngine
from agent.llama.session import ModelSession
from agent.settings import EngineSettings
from agent.transcript import ROLES, Role


class System(Protocol):
    """Models that are loaded and write turns one after the other."""

    def write(self, turn: TraceTurn, first: Callable[[], None]) -> Usage:
        """Write `turn`, and call `first` when its first token is known."""
        ...

    def close(self) -> None:
        """Free the models."""
        ...


class Ours:
    """umi's engine. Forced tokens are written one by one too, so that every system does the same work."""

    def __init__(self, bundle: Bundle, settings: EngineSettings, roles: tuple[Role, ...] = ROLES) -> None:
        self.engine = LlamaEngine(bundle, settings, roles)

    def write(self, turn: TraceTurn, first: Callable[[], None]) -> Usage:
        """As in System. Raises EngineError where something else was written than is known."""
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
                    check(turn, text)
                    return usage
                case _:
                    pass
        raise AssertionError("an engine's last piece is Generated")

    def close(self) -> None:
        """As in System."""
        self.engine.close()


class Plain:
    """The paper's way: three models, each prompt read whole at each call, the likeliest token, no grammar.

    The summarizer is not shown the tools, as in the paper's release.
    """

    def __init__(self, bundle: Bundle, settings: EngineSettings) -> None:
        self._sessions = {role: ModelSession(bundle, [role], settings, None) for role in ROLES}

    def write(self, turn: TraceTurn, first: Callable[[], None]) -> Usage:
        """As in System."""
        session = self._sessions[turn.role]
        before = replace(turn.before, tools=()) if turn.role == "summarizer" else turn.before
        ids = session.prompt(turn.role, before).ids
        text = session.vocabulary.tokenize(turn.text, False)
        started = perf_counter()
        session.context.truncate(0)
        session.context.decode(ids)
        session.context.logits().argmax()
        read = perf_counter()
        first()
        for token in text:
            session.context.decode([token])
            session.context.logits().argmax()
        return Usage(len(ids), 0, len(text), read - started, perf_counter() - read)

    def close(self) -> None:
        """As in System."""
        for session in self._sessions.values():
            session.close()


def check(turn: TraceTurn, text: str) -> None:
    """Raise EngineError where `text` is not what the turn says."""
    if text != turn.text:
        raise EngineError(f"the {turn.role} wrote {text!r} in the place of {turn.text!r}", "report it")
