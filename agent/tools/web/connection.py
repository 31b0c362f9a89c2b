"""Connections to public addresses alone, with a time limit over all that is sent and received.

A name is resolved once, each of its addresses is checked, and the connection goes to an address that was
checked: a name that is resolved otherwise a moment later (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from time import monotonic
from typing import Any

import httpcore2

from agent.errors import ToolError
from agent.tools.lib.time_limit import check_time
from agent.tools.web.addresses import is_public
from agent.tools.web.proxy import Proxy

CONNECT_S = 10.0
"""Seconds that one address has to take a connection."""


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name or of an address in any spelling.

    Raise ToolError where there is none, or where one of them is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no name of a computer"
        raise ToolError(f"{host} is not found: {reason.lower()}") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if not is_public(address):
            raise ToolError(f"{host} is refused: {address} is of this computer or of a private network")
    return addresses


class PublicBackend(httpcore2.NetworkBackend):
    """Opens connections for httpcore. All of them together end `limit_s` seconds after it was made."""

    def __init__(self, limit_s: float, proxy: Proxy | None = None) -> None:
        """With a `proxy`, connections are tunnels through it, to addresses that are checked all the same."""
        self._ends = monotonic() + limit_s
        self._proxy = proxy
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address of `host` that answers. Raise ToolError as `resolve`."""
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in resolve(host, port):
            left = remaining(self._ends)
            try:
                return self._connected(address, port, min(CONNECT_S, left), local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def _connected(self, address: str, port: int, limit_s: float, *options: Any) -> httpcore2.NetworkStream:
        """Connect to an address that was checked. That of the proxy need not be public: the user named it."""
        if self._proxy is None:
            return _TimedStream(self._sockets.connect_tcp(address, port, limit_s, *options), self._ends)
        proxy = self._proxy
        opened = self._sockets.connect_tcp(proxy.host, proxy.port, limit_s, *options)
        try:
            return proxy.tunnel(_TimedStream(opened, self._ends), address, port)
        except BaseException:
            opened.close()
            raise

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.NetworkStream:
        """Raise ToolError: these lead to programs of this computer."""
        raise ToolError(f"{path} is refused: it leads to a program of this computer")


class _TimedStream(httpcore2.NetworkStream):
    """A stream that ends at a time, however slowly the other side sends."""

    def __init__(self, stream: httpcore2.NetworkStream, ends: float) -> None:
        self._stream = stream
        self._ends = ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, remaining(self._ends))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, remaining(self._ends))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = remaining(self._ends)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._ends)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def remaining(ends: float) -> float:
    """Return the seconds until `ends`. Raise ReadTimeout where it is past, CallEndedError as `check_time`."""
    check_time()
    left = ends - monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the time is up")
    return left
