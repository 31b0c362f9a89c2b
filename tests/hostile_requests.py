"""Requests that `umi serve` must refuse or bear, and what clients send that then wait without end."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from openai_server import chat, user, weather_tool

BIG = 10**400
_TO = "/v1/chat/completions"
_HOST = "127.0.0.1:PORT"


def _head(method: str, path: str, *headers: str, host: str = _HOST) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "\r\n"]).encode("latin-1")


def post(body: Any, *headers: str, **other: Any) -> bytes:
    """Return a whole request with `body`, bytes or JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _head("POST", _TO, f"Content-Length: {len(content)}", *headers, **other) + content


def _tool(parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": parameters}}


def _offering(schema: Any) -> bytes:
    """Return a request that offers a tool of one parameter with `schema`."""
    return post(chat(user("hi"), tools=[_tool({"type": "object", "properties": {"a": schema}})]))


def _called(arguments: str, name: str = "f") -> bytes:
    """Return a request that tells of a call."""
    made = {"id": "x", "type": "function", "function": {"name": name, "arguments": arguments}}
    result = {"role": "tool", "tool_call_id": "x", "content": "1"}
    history = (user("hi"), {"role": "assistant", "tool_calls": [made]}, result)
    return post(chat(*history, tools=[weather_tool()]))


def _nested(opening: str, inner: str, closing: str, depth: int) -> str:
    return opening * depth + inner + closing * depth


def _parameters(count: int) -> dict[str, Any]:
    return {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(count)}}


def _laughing() -> dict[str, Any]:
    """A schema of few references that stand for a thousand million objects."""
    levels = {
        f"d{n}": {"properties": {f"p{at}": {"$ref": f"#/$defs/d{n + 1}"} for at in range(10)}}
        for n in range(9)
    }
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": levels}


NUMBERS = ("NaN", "Infinity", "-1e999", f"1{'0' * 400}", f"1{'0' * 5000}", "-0.0", "1e-999", '"1"')
REFUSED: Mapping[str, Callable[[], bytes]] = {
    "a million parts": lambda: post(chat(user([{}] * 900_000))),  # pyright: ignore
    "wrong messages": lambda: post(chat(*[{"content": [1] * 400, "tool_calls": [1] * 400}] * 1000)),
    "a million messages": lambda: post(chat(*[{}] * 1_000_000)),
    "many calls": lambda: post(
        chat(
            user("hi"),
            {"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "f"}}] * 20_000},
            *[{"role": "tool", "tool_call_id": "x", "content": "1"}] * 900,
            tools=[weather_tool()],
        )
    ),
    "10,000 messages": lambda: post(chat(*[user("hi")] * 10_000)),
    "100 MB": lambda: post(b"x" * (100 << 20)),
    "100 MB in pieces": lambda: (
        _head("POST", _TO, "Transfer-Encoding: chunked")
        + (b"100000\r\n" + b"x" * 0x100000 + b"\r\n") * 100
        + b"0\r\n\r\n"
    ),
    "a length of many digits": lambda: _head("POST", _TO, f"Content-Length: {'9' * 19}"),
    "a length that is none": lambda: _head("POST", _TO, "Content-Length: 1_0") + b"x" * 10,
    "two lengths": lambda: _head("POST", _TO, "Content-Length: 2", "Content-Length: 3") + b"{}}",
    "invalid UTF-8": lambda: post(b'{"messages":[{"role":"user","content":"h\xff\xfei"}]}'),
    "UTF-16": lambda: post(json.dumps(chat(user("hi"))).encode("utf-16")),
    "half a character": lambda: post(chat(user("\ud800"))),
    "deep lists": lambda: post(f'{{"messages":{_nested("[", "", "]", 100_000)}}}'.encode()),
    "deep objects": lambda: post(_nested('{"a":', "1", "}", 100_000).encode()),
    "deep arguments": lambda: _called(f'{{"a":{_nested("[", "", "]", 970)}}}'),
    "very deep arguments": lambda: _called(f'{{"a":{_nested("[", "", "]", 100_000)}}}'),
    "half a character in arguments": lambda: _called('{"a":"\\ud800"}'),
    "a long name of a call": lambda: _called("{", "f" * 1_000_000),
    "a long model": lambda: post(chat(user("hi"), model="x" * 1_000_000)),
    "a long choice": lambda: post(
        chat(user("hi"), tools=[weather_tool()], tool_choice=_tool({}) | {"function": {"name": "x" * 10**6}})
    ),
    "a long role": lambda: post(chat({"role": "x" * 1_000_000, "content": "hi"})),
    "a long path": lambda: _head("GET", "/" + "a" * 60_000),
    "a path upwards": lambda: _head("GET", "/../../etc/passwd"),
    "another name": lambda: post(chat(user("hi")), host="evil.example"),
    "another name's port": lambda: post(chat(user("hi")), host="evil.example:PORT"),
    "half an address": lambda: post(chat(user("hi")), host="["),
    "a name with a user": lambda: post(chat(user("hi")), host=f"{_HOST}@evil.example"),
    "a name in Latin-1": lambda: post(chat(user("hi")), host="\xff\xe2"),
    "two names": lambda: post(chat(user("hi")), "Host: evil.example"),
    "no name": lambda: f"GET {_TO} HTTP/1.0\r\n\r\n".encode(),
    "another origin": lambda: post(chat(user("hi")), "Origin: http://evil.example"),
    "another port's origin": lambda: post(chat(user("hi")), "Origin: http://127.0.0.1:1"),
    "no origin's origin": lambda: post(chat(user("hi")), "Origin: null"),
    "a page's question": lambda: _head(
        "OPTIONS", _TO, "Origin: http://evil.example", "Access-Control-Request-Method: POST"
    ),
    "a long header": lambda: post(chat(user("hi")), f"X: {'a' * 100_000}", host="evil.example"),
    "a NUL in a header": lambda: _head("GET", "/v1/models", "X: a\0b"),
    "no HTTP": lambda: b"\x16\x03\x01\x02\x00\x01\x00" * 100 + b"\r\n\r\n",
    "a piece of no length": lambda: _head("POST", _TO, "Transfer-Encoding: chunked") + b"zz\r\n{}\r\n",
    **{
        f"{field} {number[:20]}": lambda field=field, number=number: post(
            f'{{"messages":[{{"role":"user","content":"hi"}}],"{field}":{number}}}'.encode()
        )
        for field, number in itertools.product(("max_tokens", "n", "x"), NUMBERS[:3])
    },
    **{
        f"arguments {number[:20]}": lambda number=number: _called(f'{{"a":{number}}}')
        for number in (*NUMBERS[:3], NUMBERS[4])
    },
}
"""Requests that must be refused with a status from 400 to 499."""
HARMLESS: Mapping[str, Callable[[], bytes]] = {
    **{
        f"a bound of {number[:20]}": lambda number=number: post(
            json.dumps(chat(user("hi"), tools=[_tool(_parameters(1) | {"minProperties": "N"})]))
            .replace('"N"', number)
            .encode()
        )
        for number in NUMBERS
    },
    "a large bound": lambda: _offering({"type": "integer", "minimum": BIG}),
    "a large length": lambda: _offering({"type": "string", "minLength": 10**9}),
    "a large count": lambda: _offering({"type": "array", "minItems": 10**9}),
    "a costly pattern": lambda: _offering({"type": "string", "pattern": "((a{1,1000}){1,1000}){1,1000}"}),
    "a loop": lambda: _offering({"$ref": "#/properties/a"}),
    "a reference elsewhere": lambda: _offering({"$ref": "http://evil.example/x"}),
    "many references": lambda: post(chat(user("hi"), tools=[_tool(_laughing())])),
    "many parameters": lambda: post(chat(user("hi"), tools=[_tool(_parameters(20_000))])),
    "many choices": lambda: _offering({"enum": list(range(100_000))}),
    "1,000 messages": lambda: post(chat(*[user("hi")] * 1000)),
    "a call of an odd name": lambda: _called("{}", "../../etc\n<|im_end|>"),
    "long texts to stop at": lambda: post(chat(user("hi"), stop=["x" * 60_000] * 64)),
    "another protocol": lambda: _head(
        "GET", "/v1/models", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"
    ),
    "a control character": lambda: post(chat(user("h\0\x1b[2Ji"))),
}
"""Requests that may be answered or refused."""
SLOW: Mapping[str, bytes] = {
    "nothing": b"",
    "half a head": b"POST /v1/chat/completions HT",
    "no end of the head": f"POST {_TO} HTTP/1.1\r\nHost: {_HOST}\r\n".encode(),
    "no body": _head("POST", _TO, "Content-Length: 100"),
    "half a body": _head("POST", _TO, "Content-Length: 100") + b'{"messages":',
    "half a second head": _head("GET", "/v1/models") + b"GET /v1/mod",
    "a body that nobody asked for": _head("GET", "/nothing", "Content-Length: 100") + b"x",
}
"""What clients send that then wait without end."""
