"""`fetch_url` through a proxy of the environment: tunnels to addresses that were checked, no others."""

from __future__ import annotations

from functools import partial

import httpcore2
import pytest
from web_network import OTHER, PUBLIC, answer, install

from agent.errors import ToolError
from agent.tools.web.request import request


def refusal(url: str) -> str:
    """The message of the error that a request ends with."""
    with pytest.raises(ToolError) as caught:
        request(url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Tunnel(httpcore2.NetworkStream):
    """A proxy's end of a connection: it answers CONNECT, then as the page's server does."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.written = b""
        self.closed = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.answers.pop(0) if self.answers else b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.written += buffer

    def close(self) -> None:
        self.closed = True


GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def test_a_proxy_of_the_environment_is_asked_for_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = partial(install, monkeypatch)
    monkeypatch.setenv("http_proxy", "http://me:pass%20word@10.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "direct.example,.inside.example")
    tunnel = Tunnel([GRANTED[:20], GRANTED[20:], answer()])
    names = {
        "example.org": [[PUBLIC], ["127.0.0.1"]],
        "direct.example": [[OTHER]],
        "a.inside.example": [["10.0.0.7"]],
    }
    sockets = net(names, {"10.0.0.1": tunnel, OTHER: answer(b"there")})
    assert request("http://example.org/a").data == b"hello"
    assert sockets.connected == ["10.0.0.1"], "the proxy's own address may be private"
    head, _, asked = tunnel.written.partition(b"\r\n\r\n")
    assert head.startswith(f"CONNECT {PUBLIC}:80 HTTP/1.1\r\n".encode()), "no name that the proxy resolves"
    assert b"Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk" in head
    assert asked.startswith(b"GET /a HTTP/1.1")
    assert b"Host: example.org" in asked
    assert b"Proxy-Authorization" not in asked, "the page's server does not learn the password"

    assert request("http://direct.example/").data == b"there"
    sockets.connected.clear()
    assert "10.0.0.7" in refusal("http://a.inside.example/"), (
        "past the proxy, too, private addresses are refused"
    )
    assert "127.0.0.1" in refusal("http://example.org/"), "and so they are through it"
    assert "is not found" in refusal("http://only-the-proxy-knows.example/")
    assert sockets.connected == []


def test_a_proxy_that_refuses_or_is_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    net = partial(install, monkeypatch)
    names = {"example.org": [[PUBLIC]]}
    for given, said in {
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n": "answers 403 to a tunnel",
        b"SSH-2.0-x\r\n\r\n": "does not answer as a proxy does",
        b"": "does not answer as a proxy does",
    }.items():
        monkeypatch.setenv("ALL_PROXY", "proxy.example:3128")
        tunnel = Tunnel([given])
        net(names, {"proxy.example": tunnel})
        assert said in refusal("https://example.org/"), given
        assert tunnel.closed
    for named in ("socks5://127.0.0.1:1080", "http://[", "http://:3128"):
        monkeypatch.setenv("ALL_PROXY", named)
        assert "no HTTP proxy" in refusal("https://example.org/")
