"""`fetch_url`: which addresses are requested, how redirects and long answers end, and what is read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpcore2
import pytest
from web_network import OTHER, PUBLIC, Sockets, answer, install

from agent.errors import ToolError
from agent.tools import ToolContext, Workspace, optional_tools
from agent.tools.web import connection
from agent.tools.web.connection import PublicBackend
from agent.tools.web.request import MAX_BYTES, Page, request

Net = Callable[..., Sockets]


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    """Return a function that puts names and answers in the place of the network."""
    return partial(install, monkeypatch)


def refusal(url: str) -> str:
    with pytest.raises(ToolError) as caught:
        request(url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:7f00:1]",
    ],
)
def test_this_computer_is_refused_however_it_is_spelled(host: str, monkeypatch: pytest.MonkeyPatch):
    sockets = Sockets({})
    monkeypatch.setattr(httpcore2, "SyncBackend", lambda: sockets)
    assert "of this computer or of a private network" in refusal(f"http://{host}:8000/")
    assert sockets.connected == []


@pytest.mark.parametrize(
    "url",
    [
        *(
            "file:///etc/passwd",
            "ftp://example.org/",
            "gopher://x/",
            "javascript:1",
            "example.org",
            "",
            "http://",
        ),
        *(
            "http://user:pw@example.org/",
            "http://user@example.org/",
            "http://a:b:c/",
            "http://x:0/",
            "http://[::1/",
        ),
        *(
            "http://x:99999/",
            "http://exa\nmple.org/",
            "http://ex\u0430mple.org/",
            f"http://example.org/{'a' * 2000}",
        ),
    ],
)
def test_what_is_no_web_address_is_refused(url: str, net: Net):
    sockets = net({"example.org": [[PUBLIC]]}, {PUBLIC: answer()})
    with pytest.raises(ToolError):
        request(url)
    assert sockets.connected == []


def test_a_page_is_read_from_an_address_that_was_checked(net: Net):
    sockets = net(
        {"example.org": [[PUBLIC, OTHER]]}, {OTHER: answer(Content_Type="text/plain; charset=utf-8")}
    )
    page = request("http://example.org/a?b=c#part")
    assert page == Page("http://example.org/a?b=c", "text/plain", "utf-8", b"hello")
    assert sockets.connected == [PUBLIC, OTHER]


def test_a_name_with_one_private_address_is_refused(net: Net):
    sockets = net({"example.org": [[PUBLIC, "10.0.0.7"]]}, {PUBLIC: answer()})
    assert "10.0.0.7" in refusal("http://example.org/")
    assert sockets.connected == []


def test_a_name_that_is_resolved_otherwise_a_moment_later_changes_nothing(net: Net):
    names = {"example.org": [[PUBLIC], ["127.0.0.1"]]}
    sockets = net(names, {PUBLIC: answer(), "127.0.0.1": answer(b"inside")})
    assert request("http://example.org/").data == b"hello"
    assert sockets.connected == [PUBLIC]
    moved = answer(status="302 Found", Location="http://example.org/again")
    sockets = net(names, {PUBLIC: moved, "127.0.0.1": answer(b"inside")})
    assert "127.0.0.1" in refusal("http://example.org/")
    assert sockets.connected == [PUBLIC]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("http://127.0.0.1:22/", "of this computer"),
        ("http://[::ffff:127.0.0.1]/", "of this computer"),
        ("http://169.254.169.254/latest/meta-data", "of this computer"),
        ("//inside.example/", "of this computer"),
        ("file:///etc/passwd", "not an address of the web"),
        ("http://a:b@example.org/", "a name or a password"),
        ("/loop", "redirect"),
        ("", "does not say where"),
    ],
)
def test_each_redirect_is_checked(target: str, said: str, net: Net):
    names = {
        "example.org": [[PUBLIC]],
        "inside.example": [["192.168.0.1"]],
        **{host: [[host]] for host in ("127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254")},
    }
    sockets = net(
        names, {PUBLIC: answer(status="302 Found", Location=target), "127.0.0.1": answer(b"inside")}
    )
    assert said in refusal("http://example.org/")
    assert set(sockets.connected) == {PUBLIC}
    assert len(sockets.connected) <= 6


def test_a_redirect_is_followed_but_not_to_one_that_is_not_encrypted(
    net: Net, monkeypatch: pytest.MonkeyPatch
):
    moved = answer(status="301 Moved", Location="http://other.example/b")
    names = {"example.org": [[PUBLIC]], "other.example": [[OTHER]]}
    net(names, {PUBLIC: moved, OTHER: answer(b"there")})
    assert request("http://example.org/").url == "http://other.example/b"
    monkeypatch.setattr(httpcore2.MockStream, "start_tls", lambda self, *_, **__: self)
    net(names, {PUBLIC: moved, OTHER: answer(b"there")})
    assert "not encrypted" in refusal("https://example.org/")


def test_answers_that_are_of_no_use_are_refused_in_a_line(net: Net):
    for given, said in {
        answer(status="404 Not Found"): "answers 404",
        answer(Content_Encoding="gzip"): "packs its answer (gzip)",
        answer(b"x" * (MAX_BYTES + 1)): "larger than 2 MiB",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal": "does not answer as it should",
        b"nonsense\r\n\r\n": "does not answer as it should",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000: "does not answer as it should",
        b"": "does not answer as it should",
    }.items():
        net({"example.org": [[PUBLIC]]}, {PUBLIC: given})
        assert said in refusal("http://example.org/"), given[:60]
    net({}, {})
    assert "is not found" in refusal("http://nowhere.example/")
    net({"example.org": [[PUBLIC]]}, {})
    assert "does not answer" in refusal("http://example.org/")


class Drip(httpcore2.NetworkStream):
    """A server that sends a header without an end, a byte at a time."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return b"x"

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_server_that_sends_forever_is_left_in_time(net: Net, monkeypatch: pytest.MonkeyPatch):
    net({"example.org": [[PUBLIC]]}, {PUBLIC: Drip()})
    with pytest.raises(ToolError, match=r"took longer|does not answer as it should"):
        request("http://example.org/", PublicBackend(0.05))
    clock = iter(range(0, 10_000, 7))
    monkeypatch.setattr(connection, "monotonic", lambda: float(next(clock)))
    with pytest.raises(ToolError, match="took longer than 20 seconds"):
        request("http://example.org/")


PAGE = b"""<!doctype html><html><head><title>A page</title><script>var secret = 1</script></head><body>
<nav><a href="/">Home</a></nav><main><h1>Heading</h1><p>Some <b>bold</b>
text &amp; more.</p><ul><li>one</li><li>two</li></ul><table><tr><td>a</td><td>b</td></tr></table></main>
<footer>Imprint</footer></body></html>"""


class Site(BaseHTTPRequestHandler):
    """A page, a text, a picture, and redirects, for requests with a path that says which."""

    def do_GET(self) -> None:
        kind, body = {
            "/page": ("text/html; charset=utf-8", PAGE),
            "/text": ("text/plain", "caf\u00e9\x1b[2J".encode()),
            "/picture": ("image/png", b"\x89PNG"),
            "/empty": ("text/html", b"<script>1</script>"),
        }.get(self.path, ("text/plain", b""))
        self.send_response(302 if self.path == "/moved" else 200)
        if self.path == "/moved":
            self.send_header("Location", "/page")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the address of a real server, which is taken to be public."""
    pytest.importorskip("selectolax")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(connection, "is_public", lambda address: address == "127.0.0.1")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_tool_returns_the_text_of_pages(site: str, tmp_path: Path):
    (fetch,) = optional_tools(["fetch_url"])
    context = ToolContext(Workspace(tmp_path), tmp_path / "notes.jsonl")
    assert fetch.may == "network"
    assert fetch.asks(untrusted=False)
    assert fetch.untrusted
    text = "A page\n\nHeading\nSome bold text & more.\n- one\n- two\na\tb"
    assert fetch.run(context, {"url": f"{site}/page"}) == text
    assert fetch.run(context, {"url": f"{site}/moved"}) == f"{text}\n\u2026 (from {site}/page)"
    assert fetch.run(context, {"url": f"{site}/text"}) == "caf\u00e9[2J"
    for path, said in {"/picture": "image/png, not text", "/empty": "holds no text"}.items():
        with pytest.raises(ToolError, match=said):
            fetch.run(context, {"url": f"{site}{path}"})


def test_a_page_that_keeps_the_parser_busy_is_given_up(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("selectolax")
    from agent.tools.web import html

    monkeypatch.setattr(html, "LIMIT_S", 0.5)
    with pytest.raises(ToolError, match="cannot be read in time"):
        html.html_text(b"<div>" * 400_000, "")
