"""Stand-ins of the network for `fetch_url`: names, addresses, and what answers there."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import httpcore2
import pytest

PUBLIC, OTHER = "93.184.216.34", "93.184.216.35"


class Resolver:
    """Answers in place of the system's resolver; a name's later answers may differ from the first."""

    def __init__(self, answers: Mapping[str, list[list[str]]]) -> None:
        self.answers = {name: list(found) for name, found in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        found = self.answers.get(host)
        if not found:
            raise socket.gaierror(-2, "Name or service not known")
        addresses = found.pop(0) if len(found) > 1 else found[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


class Sockets(httpcore2.NetworkBackend):
    """Connections whose answers are given by address; `connected` are those that were opened."""

    def __init__(self, answers: Mapping[str, bytes | httpcore2.NetworkStream]) -> None:
        self.answers = answers
        self.connected: list[str] = []

    def connect_tcp(self, host: str, *_: Any, **__: Any) -> httpcore2.NetworkStream:
        self.connected.append(host)
        answer = self.answers.get(host)
        if answer is None:
            raise httpcore2.ConnectError("refused")
        return httpcore2.MockStream([answer]) if isinstance(answer, bytes) else answer


def install(
    monkeypatch: pytest.MonkeyPatch, names: Mapping[str, list[list[str]]], answers: Mapping[str, Any]
) -> Sockets:
    """Put names and answers in the place of the network."""
    sockets = Sockets(answers)
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(names))
    monkeypatch.setattr(httpcore2, "SyncBackend", lambda: sockets)
    return sockets


def answer(body: bytes = b"hello", *, status: str = "200 OK", **headers: str) -> bytes:
    """An answer of a web server."""
    headers = {"Content-Type": "text/plain", "Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body
