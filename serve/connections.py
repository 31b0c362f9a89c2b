"""Connections that must be used: one whose client sends no whole head of a request in time is closed.

uvicorn waits for a head without end, and a server takes only so many connections: a few hundred that say
nothing, or a byte now and then, would keep everybody else out.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 30.0
"""Seconds in which the head of a request must arrive, after the connection was made or the last answer."""


class TimelyProtocol(H11Protocol):
    """uvicorn's HTTP, which closes a connection that keeps it waiting."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        super().connection_lost(exc)
        if self._waiting:
            self._waiting.cancel()

    def on_response_complete(self) -> None:
        """Wait for the next head."""
        super().on_response_complete()
        self._wait()

    def _wait(self) -> None:
        if self._waiting:
            self._waiting.cancel()
        self._waiting = self.loop.call_later(HEAD_S, self._close, self.cycle)

    def _close(self, last: object) -> None:
        """Close the connection where the request of `last` is still the last one, and was answered."""
        if self.cycle is last and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
