"""One page of the web: a GET request whose redirects are followed one by one, each checked like the first."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from time import monotonic
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore2

from agent.errors import ToolError
from agent.tools.web.connection import PublicBackend
from agent.tools.web.proxy import environment_proxy

TIME_LIMIT_S = 20.0
"""Of a request with its redirects."""
MAX_BYTES = 2 * 1024 * 1024
"""Of a page."""
MAX_REDIRECTS = 5
MAX_URL = 2000
"""Characters of an address."""
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_HEADERS = {
    "Accept": "text/html, text/plain, application/json;q=0.9, text/*;q=0.8",
    # Packed pages could unpack to any size.
    "Accept-Encoding": "identity",
    "User-Agent": "umi",
}


@dataclass(frozen=True)
class Page:
    """What a server answered with status 200: `kind` is its media type, and `charset` may be empty."""

    url: str
    kind: str
    charset: str
    data: bytes


def request(url: str, backend: httpcore2.NetworkBackend | None = None) -> Page:
    """Return the page at `url`, or where its redirects lead.

    `backend` opens the connections (default: to public addresses alone, through the proxy of the environment
    where there is one). Raise ToolError for an address that is refused, a server that fails or takes too
    long, and a page that is too large.
    """
    ends = monotonic() + TIME_LIMIT_S
    for _ in range(MAX_REDIRECTS + 1):
        parts = checked(url)
        answer = _get(parts, backend or PublicBackend(ends - monotonic(), environment_proxy(parts)))
        if isinstance(answer, Page):
            return answer
        target = urljoin(url, answer)
        if parts.scheme == "https" and urlsplit(target).scheme != "https":
            raise ToolError(f"{url} is refused: it redirects to {target}, which is not encrypted")
        url = target
    raise ToolError(f"{url} is the {MAX_REDIRECTS + 1}th redirect, and no more are followed")


def checked(url: str) -> SplitResult:
    """Return the parts of an address. Raise ToolError where it is none that may be requested."""
    if len(url) > MAX_URL:
        raise ToolError(f"the address is longer than {MAX_URL} characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ToolError(f"{url} is not an address of the web") from None
    if parts.scheme not in _PORTS or not host or port == 0 or not url.isascii() or not url.isprintable():
        raise ToolError(f"{url} is not an address of the web; those begin with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise ToolError("an address with a name or a password in it is not requested")
    return parts


def _get(parts: SplitResult, backend: httpcore2.NetworkBackend) -> Page | str:
    """Return the page, or the target of a redirect."""
    url = parts._replace(fragment="").geturl().replace(" ", "%20")
    try:
        with (
            httpcore2.ConnectionPool(network_backend=backend, max_connections=1) as pool,
            pool.stream("GET", url, headers={"Host": parts.netloc, **_HEADERS}) as response,
        ):
            headers = Message()
            for name, value in response.headers:
                headers[name.decode("latin-1")] = value.decode("latin-1")
            if response.status in _REDIRECTS:
                if not (target := headers["Location"]):
                    raise ToolError(f"{url} redirects, and does not say where")
                return str(target)
            if response.status != 200:
                raise ToolError(f"{parts.hostname} answers {response.status} to {url}")
            if (packed := headers.get("Content-Encoding", "identity").lower()) != "identity":
                raise ToolError(f"{parts.hostname} packs its answer ({packed[:40]}), which was not asked for")
            data = bytearray()
            for chunk in response.iter_stream():
                data += chunk
                if len(data) > MAX_BYTES:
                    raise ToolError(f"{url} is larger than {MAX_BYTES // 2**20} MiB")
            return Page(url, headers.get_content_type(), headers.get_content_charset() or "", bytes(data))
    except httpcore2.TimeoutException:
        raise ToolError(f"{parts.hostname} took longer than {TIME_LIMIT_S:g} seconds") from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ToolError(f"{parts.hostname} does not answer as it should: {reason}") from None
