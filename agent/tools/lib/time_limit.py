"""A limit of time and a cancel for each call of a tool, which the loops of tools look at.

A tool runs on a thread of its own. Its loops call `check_time`, or `is_time_up` where they can return what
they have so far. A tool that looks at neither is waited for no longer than `GRACE_S` after its limit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field

from agent.errors import ToolError

GRACE_S = 2.0
"""Seconds after its limit, or after a cancel, in which a tool can still return what it has."""
CANCELLED = "the call was cancelled"
POLL_S = 0.05
"""Seconds between two looks at whether the call was cancelled."""

Cancelled = Callable[[], bool]


class CallEndedError(ToolError):
    """A call was cancelled, or its time is up."""


@dataclass
class _Call:
    """One call of a tool: what ends it, and whether its effect is being made or was given up."""

    limit_s: float
    cancelled: Cancelled
    started: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)
    committed: bool = False
    abandoned: bool = False

    def ends_with(self) -> str:
        """Return why the call must end, or an empty string."""
        if self.is_cancelled():
            return CANCELLED
        return f"the call took longer than {self.limit_s:g} seconds" if self.is_late() else ""

    def is_cancelled(self) -> bool:
        return self.abandoned or self.cancelled()

    def is_late(self) -> bool:
        return time.monotonic() - self.started > self.limit_s

    def abandon(self) -> bool:
        """Give up waiting, unless the tool is making its effect."""
        with self.lock:
            self.abandoned = not self.committed
            return self.abandoned


_current: ContextVar[_Call | None] = ContextVar("current call", default=None)


def check_time() -> None:
    """Raise CallEndedError where the running call was cancelled or its time is up."""
    call = _current.get()
    if call is not None and (reason := call.ends_with()):
        raise CallEndedError(reason)


def is_time_up() -> bool:
    """Return whether the time of the running call is up. Raise CallEndedError where it was cancelled."""
    call = _current.get()
    if call is None:
        return False
    if call.is_cancelled():
        raise CallEndedError(CANCELLED)
    return call.is_late()


@contextmanager
def committing() -> Iterator[None]:
    """Make the effect of a call in the block: one that was given up before does not make it any more.

    Raise CallEndedError, before the block, where the call was cancelled or its time is up.
    """
    call = _current.get()
    if call is None:
        yield
        return
    with call.lock:
        check_time()
        call.committed = True
    try:
        yield
    finally:
        call.committed = False


def run_limited(function: Callable[[], str], limit_s: float, cancelled: Cancelled) -> str:
    """Return `function()`, which runs on a thread of its own for at most about `limit_s` seconds.

    Raise what it raises, and CallEndedError where it neither returns nor raises in time; its thread then goes
    on alone, and `committing` keeps it from making an effect.
    """
    call = _Call(limit_s, cancelled)
    context = copy_context()
    context.run(_current.set, call)
    results: list[str] = []
    errors: list[Exception] = []
    done = threading.Event()

    def target() -> None:
        try:
            results.append(context.run(function))
        except Exception as error:
            errors.append(error)
        except BaseException as error:  # sys.exit in a tool ends the tool alone
            errors.append(ToolError(f"it ended with {type(error).__name__}: {error}"))
        finally:
            done.set()

    threading.Thread(target=target, name="umi tool", daemon=True).start()
    ended: float | None = None
    try:
        while not done.wait(POLL_S):
            reason = call.ends_with()
            if not reason:
                continue
            ended = ended or time.monotonic()
            if time.monotonic() - ended > GRACE_S and call.abandon():
                raise CallEndedError(f"{reason} and did not stop")
    except BaseException:  # an interrupt too
        call.abandon()
        raise
    if errors:
        raise errors[0]
    return results[0]
