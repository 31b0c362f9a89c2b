"""`umi serve`: the server on a port, until it is told to stop."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from agent.consent import Approve
from agent.errors import InputError
from agent.loop import Agent
from serve.answering import Answering
from serve.app import Server
from serve.connections import TimelyProtocol
from serve.fair_queue import FairQueue
from serve.metrics import Metrics

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8642
TOKEN_VARIABLE = "UMI_SERVE_TOKEN"
SHORTEST_TOKEN = 16
_SHUTDOWN_S = 3
"""Seconds that open requests have to end."""
_MOST_CONNECTIONS = 256


def serve(
    open_agent: Callable[[], Agent],
    approve: Approve | None,
    *,
    host: str = LOOPBACK,
    port: int = DEFAULT_PORT,
    ready: Callable[[str], None],
) -> int:
    """Serve an agent until SIGINT or SIGTERM; return the exit code.

    The port is taken before the models are loaded; `ready` is called with the address. Raise InputError where
    it cannot be had, or where other machines could reach it and no token is set.
    """
    token = os.environ.get(TOKEN_VARIABLE, "")
    if token and len(token) < SHORTEST_TOKEN:
        raise InputError(
            f"{TOKEN_VARIABLE} has {len(token)} characters",
            f"set at least {SHORTEST_TOKEN}: {TOKEN_VARIABLE}=$(openssl rand -hex 32)",
        )
    if not token and not _is_loopback(host):
        raise InputError(
            f"{host} is reached by other machines and no token is set",
            f"set {TOKEN_VARIABLE}, or serve this machine alone without --host",
        )
    listening = _listen(host, port)
    name, number = listening.getsockname()[:2]
    answering = Answering(open_agent(), approve, FairQueue(), Metrics())
    address = f"{f'[{name}]' if ':' in name else name}:{number}"
    application = Server(answering, token, own_hosts(address, number)).application()
    config = uvicorn.Config(
        application,
        http=TimelyProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_S,
        limit_concurrency=_MOST_CONNECTIONS,
    )
    ready(f"http://{address}/v1")
    # uvicorn ends the open requests, and then raises the signal anew for whoever handled it before.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with listening, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    return 0


def own_hosts(address: str, port: int) -> tuple[str, ...]:
    """Return what the header Host holds of requests to `address` and this machine, in lower case.

    Clients leave out port 80, which is HTTP's own (RFC 9110, section 4.2.3).
    """
    hosts = (address, f"127.0.0.1:{port}", f"localhost:{port}")
    return hosts + tuple(host.removesuffix(":80") for host in hosts if port == 80)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        reason = error.strerror or error
        raise InputError(f"{host}:{port} cannot be had: {reason}", "give another --port") from None
    return listening
