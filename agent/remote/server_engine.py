"""What the engines on servers have in common: one turn at a time, and nothing kept here of a prompt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from agent.engine import Choice, Delta, Generated
from agent.events import Reading, Usage
from agent.remote.client import ServerClient
from agent.remote.server import Server
from agent.transcript import Role, Transcript


class ServerEngine:
    """An engine whose models run on a server; a subclass generates the turns."""

    def __init__(self, client: ServerClient, server: Server) -> None:
        self.server = server
        self._client = client
        self._lock = threading.Lock()

    def generate(
        self,
        role: Role,
        transcript: Transcript,
        *,
        cancelled: Callable[[], bool],
        instead_of: Choice | None = None,
        brief: bool = False,
    ) -> Iterator[Reading | Delta | Generated]:
        """Generate the turn of `role`. No choice is reported, so `instead_of` is never one of this engine.

        Raise ContextFullError where the prompt does not fit, InputError where no grammar takes a tool's
        schema, and EngineError where the server fails or wrote what the role's grammar does not allow.
        """
        while not self._lock.acquire(timeout=0.05):
            if cancelled():
                yield Generated("", "cancelled", Usage())
                return
        try:
            yield from self._generate(role, transcript, cancelled, brief)
        finally:
            self._lock.release()

    def _generate(
        self, role: Role, transcript: Transcript, cancelled: Callable[[], bool], brief: bool
    ) -> Iterator[Reading | Delta | Generated]:
        """Generate the turn of `role`, while no other is generated."""
        raise NotImplementedError

    def read_ahead(self, transcript: Transcript, *, cancelled: Callable[[], bool]) -> bool:
        """Read nothing: the server would answer somebody else meanwhile."""
        return False

    def save_state(self, transcript: Transcript) -> None:
        """Keep nothing: what a server has read is its own."""

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._client.close()
