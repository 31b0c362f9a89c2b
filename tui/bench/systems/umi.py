"""umi's engine as a system of the trace."""

from __future__ import annotations

from collections.abc import Callable

from agent.bundle import Bundle
from agent.config import EngineSettings
from agent.engine import Delta, Generated
from agent.evaluation.trace import TraceTurn
from agent.events import Usage
from agent.llama.engine import LlamaEngine
from agent.llama.sampling import ForcedDecoding
from agent.transcript import ROLES, Role
from tui.bench.systems.system import require_text


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
