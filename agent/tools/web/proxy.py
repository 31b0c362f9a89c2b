"""The proxy that the environment names for an address, and a tunnel through it (CONNECT, RFC 9110).

The tunnel leads to an address that was checked here, never to a name: a proxy that resolves names could reach
a private network for whoever wrote the name. So pages of `http` go through a tunnel too, and a page's own
name is in the TLS handshake and the `Host` header alone.
"""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import (
    getproxies_environment,
    proxy_bypass_environment,  # pyright: ignore[reportAttributeAccessIssue] - typeshed leaves it out
)

import h11
import httpcore2

from agent.errors import ToolError

MAX_READ = 4096
"""Bytes that are read of a proxy's answer at once; h11 limits the whole of its head."""


@dataclass(frozen=True)
class Proxy:
    """A proxy of the environment. `authorization` is the value of its header, empty without a password."""

    host: str
    port: int
    encrypted: bool = False
    """Whether the connection to it is (`https://`)."""
    authorization: str = ""

    def tunnel(self, stream: httpcore2.NetworkStream, address: str, port: int) -> httpcore2.NetworkStream:
        """Return a tunnel over `stream`, a connection to the proxy, to an address and port.

        Raise ToolError where the proxy refuses it.
        """
        if self.encrypted:
            stream = stream.start_tls(ssl.create_default_context(), self.host)
        target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        headers = [("Host", target)]
        if self.authorization:
            headers.append(("Proxy-Authorization", self.authorization))
        talk = h11.Connection(h11.CLIENT)
        stream.write(talk.send(h11.Request(method="CONNECT", target=target, headers=headers)) or b"")
        try:
            while not isinstance(answer := talk.next_event(), h11.Response):
                if answer is h11.NEED_DATA:
                    talk.receive_data(stream.read(MAX_READ))
        except h11.RemoteProtocolError:
            raise ToolError(f"the proxy {self.host} does not answer as a proxy does") from None
        if not 200 <= answer.status_code < 300:
            raise ToolError(f"the proxy {self.host} answers {answer.status_code} to a tunnel to {target}")
        return stream


def environment_proxy(parts: SplitResult) -> Proxy | None:
    """Return the proxy for an address by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; None is none.

    Names of the variables may be in small letters, which count before capitals. Raise ToolError for a proxy
    that is no HTTP proxy.
    """
    named = getproxies_environment()
    url = named.get(parts.scheme) or named.get("all")
    if not url or proxy_bypass_environment(parts.netloc, named):
        return None
    try:
        proxy = urlsplit(url if "://" in url else f"http://{url}")
        host, port = proxy.hostname, proxy.port
    except ValueError:
        host, port, proxy = None, None, urlsplit("")
    if not host or proxy.scheme not in ("http", "https"):
        raise ToolError(f"the proxy that the environment names for {parts.scheme} is no HTTP proxy")
    authorization = ""
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
        authorization = f"Basic {base64.b64encode(pair).decode('ascii')}"
    encrypted = proxy.scheme == "https"
    return Proxy(host, port or (443 if encrypted else 80), encrypted, authorization)
