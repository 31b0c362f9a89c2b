"""Three models as in alpha-UMi, as a system of the trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

from agent.bundle import Bundle
from agent.config import EngineSettings
from agent.evaluation.trace import TraceTurn
from agent.events import Usage
from agent.llama.session import ModelSession
from agent.transcript import ROLES


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
