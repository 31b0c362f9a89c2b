"""The queue before the models: one request at a time, and clients that wait take turns."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class QueueFullError(Exception):
    """More requests wait than the queue takes."""


class FairQueue:
    """Lets one request at a time through, the clients in turn: a client with many waits behind one with few.

    At most `most` requests wait, and at most `most_of_one` of one client.
    """

    def __init__(self, most: int = 64, most_of_one: int = 16) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._busy = False
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By client; the first one is next."""

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self._busy

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Wait for a turn of `client` and hold it while the block runs. Raise QueueFullError at once."""
        await self._enter(client)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, client: str) -> None:
        if not self._busy:
            self._busy = True
            return
        own = self._waiting.get(client, deque())
        if self.waiting >= self._most or len(own) >= self._most_of_one:
            raise QueueFullError
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, own).append(admitted)
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.cancelled():
                self._forget(client, admitted)
            else:  # admitted and cancelled at once: the turn goes to the next
                self._leave()
            raise

    def _forget(self, client: str, admitted: asyncio.Future[None]) -> None:
        own = self._waiting.get(client, deque())
        if admitted not in own:  # whoever left the turn has passed over it
            return
        own.remove(admitted)
        if not own:
            del self._waiting[client]

    def _leave(self) -> None:
        while self._waiting:
            client, own = next(iter(self._waiting.items()))
            admitted = own.popleft()
            if own:
                self._waiting.move_to_end(client)
            else:
                del self._waiting[client]
            if not admitted.done():
                admitted.set_result(None)
                return
        self._busy = False
