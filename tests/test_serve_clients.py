"""Several clients of `umi serve`, clients that leave, and requests that cannot be answered."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from attacks.served_requests import KINDS, attack
from fakes import call, plan
from hostile_requests import SLOW
from openai_server import chat, served, user, weather_tool

from agent.errors import InputError
from agent.loop import Agent
from agent.paths import SHIPPED
from agent.transcript import UserTurn
from serve import app, connections
from serve.command import TOKEN_VARIABLE, own_hosts, serve
from serve.fair_queue import FairQueue, QueueFullError

ANSWER = [plan("Fine.", "summarizer"), "Yes."]


async def test_clients_that_wait_take_turns() -> None:
    queue, order = FairQueue(), list[str]()

    async def ask(client: str, name: str) -> None:
        async with queue.turn(client):
            order.append(name)
            await asyncio.sleep(0)

    async with queue.turn("a"):
        waiting = [asyncio.create_task(ask("a", f"a{index}")) for index in range(4)]
        waiting += [asyncio.create_task(ask("b", "b0")), asyncio.create_task(ask("c", "c0"))]
        await asyncio.sleep(0)
        assert queue.waiting == 6
        waiting[1].cancel()
        await asyncio.sleep(0)
        assert queue.waiting == 5
    await asyncio.wait(waiting)
    assert order == ["a0", "b0", "c0", "a2", "a3"]
    assert not queue.is_busy


async def test_a_queue_takes_no_more_than_it_says() -> None:
    queue = FairQueue(most=3, most_of_one=2)
    async with queue.turn("a"):
        waiting = [asyncio.create_task(queue.turn("a").__aenter__()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await queue.turn("a").__aenter__()
        waiting.append(asyncio.create_task(queue.turn("b").__aenter__()))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await queue.turn("c").__aenter__()
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    assert not queue.is_busy


async def test_clients_that_leave_as_a_turn_ends_are_cancelled() -> None:
    queue = FairQueue()
    async with queue.turn("a"):
        waiting = [asyncio.create_task(queue.turn(name).__aenter__()) for name in ("b", "b", "c", "d", "d")]
        await asyncio.sleep(0)
        for task in waiting[:4]:
            task.cancel()
    done = await asyncio.gather(*waiting[:4], return_exceptions=True)
    assert [type(error) for error in done] == [asyncio.CancelledError] * 4
    await waiting[4]
    assert (queue.is_busy, queue.waiting) == (True, 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_models(tmp_path: Path, stream: bool) -> None:
    async with served(ANSWER, tmp_path) as server:
        server.engine.held.set()
        asking = asyncio.create_task(server.post(chat(user("well?"), stream=stream)))
        assert await asyncio.to_thread(server.engine.began.wait, 10)
        waiting = asyncio.create_task(server.post(chat(user("me?"))))
        while not server.answering.queue.waiting:
            await asyncio.sleep(0.01)
        waiting.cancel()
        while server.answering.queue.waiting:
            await asyncio.sleep(0.01)
        asking.cancel()
        assert await asyncio.to_thread(server.engine.stopped.wait, 10)
        while server.answering.queue.is_busy:
            await asyncio.sleep(0.01)
        server.engine.held.clear()
        server.engine.seen.clear()
        assert (await server.post(chat(user("well?")))).json()["choices"][0]["message"]["content"] == "Yes."
        metrics = (await server.get("/metrics")).text
    assert 'umi_requests_total{status="499"} 2' in metrics
    assert 'umi_requests_total{status="200"}' in metrics
    assert 'umi_turns_total{reason="answered"} 1' in metrics


async def test_too_many_that_wait_are_refused(tmp_path: Path) -> None:
    async with served(ANSWER, tmp_path, most_waiting=0) as server:
        server.engine.held.set()
        asking = asyncio.create_task(server.post(chat(user("well?"))))
        assert await asyncio.to_thread(server.engine.began.wait, 10)
        refused = await server.post(chat(user("me?")))
        server.engine.held.clear()
        assert (await asking).status_code == 200
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert refused.json()["error"]["code"] == "queue_full"


async def test_who_may_ask(tmp_path: Path) -> None:
    async with served(ANSWER, tmp_path) as server:
        assert (await server.get("/v1/models", Host="evil.example")).status_code == 403
        assert (await server.get("/v1/models", Origin="http://evil.example")).status_code == 403
        assert (await server.get("/v1/models")).status_code == 200
        assert (await server.get("/v1/models", Host=f"LocalHost:{server.port}")).status_code == 200
        assert (await server.get("/v1/models", Host="localhost")).status_code == 403
        missing = (await server.get("/v1/responses")).json()["error"]
        assert missing["code"] == "not_found"
        assert "/v1/chat/completions" in missing["message"]
        assert (await server.get("/v1/chat/completions")).status_code == 405
        assert (await server.get("/v1/models/gpt-4")).status_code == 404
    async with served(ANSWER, tmp_path, token="a-long-enough-token") as server:
        refused = await server.get("/v1/models")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        assert (await server.get("/health")).json() == {"status": "ok"}
        wrong = await server.post(chat(user("hi")), Authorization="Bearer wrong")
        assert wrong.status_code == 401
        right = await server.post(chat(user("hi")), Authorization="Bearer a-long-enough-token")
        assert right.status_code == 200


def test_port_80_is_left_out_by_clients() -> None:
    assert {"localhost", "127.0.0.1", "localhost:80"} <= set(own_hosts("127.0.0.1:80", 80))
    assert own_hosts("127.0.0.1:8080", 8080) == ("127.0.0.1:8080", "127.0.0.1:8080", "localhost:8080")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_in_order(number: int) -> None:
    command = [sys.executable, "-m", "tui", "serve", "--port", "0", "--models", str(SHIPPED)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert url, server.communicate()[1]
        # Connections wait in the port's backlog until the server runs.
        assert httpx2.get(f"{url}/models", timeout=60).status_code == 200
        server.send_signal(number)
        _, said = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "Traceback" not in said


def failing(error: httpx2.Response) -> tuple[int, str | None]:
    """The status and the code of an error."""
    return error.status_code, error.json()["error"]["code"]


async def test_bad_requests_get_one_clear_error(tmp_path: Path) -> None:
    deep = b'{"messages":' + b"[" * 100_000
    nested = weather_tool()
    for _ in range(100):
        nested = {"type": "function", "function": nested}
    tool_result = {"role": "tool", "tool_call_id": "x", "content": "1"}
    made = {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{"}}
    bodies: list[tuple[Any, tuple[int, str]]] = [
        (b"", (400, "invalid_json")),
        (b"[1]", (400, "invalid_json")),
        (deep, (400, "invalid_json")),
        (b"x" * (5 << 20), (413, "request_too_large")),
        (chat(), (400, "invalid_value")),
        (chat(user("\ud800")), (400, "invalid_json")),
        (chat(user("hi"), tools=[nested]), (400, "invalid_json")),
        (chat({"role": "robot", "content": "hi"}), (400, "invalid_value")),
        (chat(user("hi"), model="gpt-4"), (404, "model_not_found")),
        (chat(*[user("hi")] * 10_000), (400, "array_above_max_length")),
        (
            chat(user("hi"), tools=[weather_tool(f"t{n}") for n in range(129)]),
            (400, "array_above_max_length"),
        ),
        (chat(user("hi"), tools=[weather_tool("a b")]), (400, "invalid_value")),
        (chat(user("hi"), tools=[weather_tool()] * 2), (400, "invalid_value")),
        (chat(user("hi"), tool_choice="required"), (400, "invalid_value")),
        (chat(user("hi"), n=2), (400, "unsupported_value")),
        (chat(user("hi"), response_format={"type": "json_object"}), (400, "unsupported_value")),
        (chat(user(" ")), (400, "invalid_value")),
        (chat(user("hi"), {"role": "assistant", "content": "hello"}), (400, "invalid_value")),
        (chat(user("hi"), tool_result), (400, "invalid_value")),
        (chat(user("hi"), {"role": "assistant", "tool_calls": [made]}, tool_result), (400, "invalid_value")),
        (chat(user([{"type": "image_url", "image_url": {}}])), (400, "invalid_value")),  # pyright: ignore
        (chat(user("hi"), max_tokens=0), (400, "invalid_value")),
        (chat(user("hi"), max_completion_tokens=-2), (400, "invalid_value")),
        (chat(user("hi"), stop=["x"] * 65), (400, "invalid_value")),
        (chat(user(" "), tools=[weather_tool()]), (400, "invalid_value")),
        (chat(user("x" * (1 << 20))), (400, "context_length_exceeded")),
        (chat(user("word " * 5000)), (400, "context_length_exceeded")),
        (chat(user("word " * 5000), stream=True), (400, "context_length_exceeded")),
    ]
    async with served(ANSWER, tmp_path) as server:
        for body, expected in bodies:
            assert failing(await server.post(body)) == expected, str(body)[:80]
        assert not server.engine.seen


def test_each_hostile_request_gets_one_answer(tmp_path: Path) -> None:
    result = attack(tmp_path, KINDS)
    assert result.count == KINDS
    assert result.holds, result.wrong


async def test_a_client_that_sends_no_whole_request_is_told_or_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "BODY_S", 0.1)
    monkeypatch.setattr(connections, "HEAD_S", 0.1)
    async with served(ANSWER, tmp_path) as server:
        for name, sent in SLOW.items():
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(sent.replace(b"PORT", str(server.port).encode()))
            got = await asyncio.wait_for(reader.read(), 20)
            assert (b" 408 " in got) == (b"Length: 100" in sent and b"/nothing" not in sent), name
            writer.close()


def schema_tool(parameters: Any) -> dict[str, Any]:
    """A tool of the client with these parameters."""
    return {"type": "function", "function": {"name": "f", "parameters": parameters}}


async def test_a_tool_s_schema_is_made_fit_or_refused_before_the_models_run(tmp_path: Path) -> None:
    refused: list[Any] = [
        {"type": "array", "items": {}},
        {"type": "object", "properties": {"\x07": {"type": "string", "format": "path"}}},
    ]
    odd = {"type": "array", "items": {"type": "string", "format": "path"}, "uniqueItems": True}
    async with served(ANSWER, tmp_path) as server:
        for parameters in refused:
            reply = await server.post(chat(user("hi"), tools=[schema_tool(parameters)]))
            assert failing(reply) == (400, "invalid_value"), parameters
            assert "the tool f" in reply.json()["error"]["message"]
        assert not server.engine.seen
        tools = [schema_tool({"type": "object", "properties": {"a": odd}})]
        assert (await server.post(chat(user("hi"), tools=tools))).status_code == 200
    (spec,) = server.engine.seen[0][1].tools
    assert spec.parameters["properties"]["a"] == {"type": "array", "items": {"type": "string"}}


async def test_a_history_that_does_not_fit_is_dropped_before_it_is_tokenized(tmp_path: Path) -> None:
    history = [
        message
        for number in range(499)
        for message in (user(f"what is {number}?"), {"role": "assistant", "content": f"It is {number}."})
    ]
    async with served(ANSWER * 2, tmp_path, context_length=1500) as server:
        for fields in ({}, {"tools": [weather_tool()]}):
            reply = await server.post(chat(*history, user("and now?"), **fields))
            assert reply.json()["choices"][0]["message"]["content"] == "Yes."
            turns = server.engine.seen[-1][1].turns
            assert 10 < len(turns) < 1500 / 4
            assert isinstance(turns[0], UserTurn)


async def test_a_failure_of_umi_is_an_error_and_the_next_request_is_answered(tmp_path: Path) -> None:
    async with served(["nonsense", "nonsense", *ANSWER], tmp_path) as server:
        failed = await server.post(chat(user("hi")))
        assert failing(failed) == (500, "umi_failed")
        stream = await server.post(chat(user("hi"), stream=True))
        *_, last = [line for line in stream.text.splitlines() if line]
        assert json.loads(last.removeprefix("data: "))["error"]["type"] == "server_error"
        assert (await server.post(chat(user("hi")))).status_code == 200


async def test_calls_that_are_no_calls_end_the_turn(tmp_path: Path) -> None:
    script = [
        plan("I will call it.", "caller"),
        '{"name":',
        plan("", "caller"),
        call("get_weather", city="X"),
    ]
    async with served(script, tmp_path) as server:
        reply = (await server.post(chat(user("hi"), tools=[weather_tool()]))).json()
        assert reply["umi"]["reason"] == "failed"
        reply = (await server.post(chat(user("hi"), tools=[weather_tool()]))).json()
        assert reply["choices"][0]["finish_reason"] == "tool_calls"


def never() -> Agent:
    """No agent: the server must not come so far."""
    raise AssertionError("the models were loaded")


def test_other_machines_need_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no token is set"):
        serve(never, None, host="0.0.0.0", port=0, ready=print)
    monkeypatch.setenv(TOKEN_VARIABLE, "short")
    with pytest.raises(InputError, match="5 characters"):
        serve(never, None, port=0, ready=print)
    monkeypatch.delenv(TOKEN_VARIABLE)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="cannot be had"):
        serve(never, None, port=taken.getsockname()[1], ready=print)
