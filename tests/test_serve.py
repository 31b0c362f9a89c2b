"""`umi serve` answers the official client, whole and in a stream, with its own tools and the client's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest
from fakes import calculation, call, plan
from openai_server import Served, chat, served, user, weather_tool

from agent.consent import Request
from agent.transcript import CallerTurn, PlannerTurn, SummarizerTurn, ToolTurn, UserTurn


def official(server: Served) -> openai.AsyncOpenAI:
    """The official client of the server."""
    return openai.AsyncOpenAI(base_url=server.url, api_key="any", max_retries=0)


async def test_the_official_client_gets_an_answer_whole_and_in_a_stream(tmp_path: Path) -> None:
    script = [*calculation("It is 42."), plan("That is 42 again.", "summarizer"), "Still 42."]
    async with served(script, tmp_path) as server, official(server) as client:
        assert [model.id async for model in client.models.list()] == ["umi"]
        first = await client.chat.completions.create(
            model="umi", messages=[{"role": "user", "content": "17.5% of 240?"}], temperature=0.3
        )
        message = first.choices[0].message
        assert (message.content, first.choices[0].finish_reason) == ("It is 42.", "stop")
        assert first.model_extra == {"umi": {"reason": "answered"}}
        assert "calculate" in message.model_extra["reasoning_content"]  # pyright: ignore
        assert first.usage is not None
        assert first.usage.completion_tokens > 4
        stream = await client.chat.completions.create(
            model="umi",
            messages=[
                {"role": "user", "content": "17.5% of 240?"},
                {"role": "assistant", "content": message.content},
                {"role": "user", "content": "again?"},
            ],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Still 42."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    _, seen = server.engine.seen[-1]
    kinds = [UserTurn, PlannerTurn, CallerTurn, ToolTurn, PlannerTurn, SummarizerTurn, UserTurn, PlannerTurn]
    assert [type(turn) for turn in seen.turns] == kinds, "thoughts and results of the first turn are kept"


async def test_calls_of_the_client_s_tools_go_to_the_client(tmp_path: Path) -> None:
    script = [
        plan("I need the weather.", "caller"),
        call("get_weather", city="Oslo") + "\n" + call("get_weather", city="Bergen"),
        plan("I know it.", "summarizer"),
        "Rain in Oslo, sun in Bergen.",
    ]
    tools: Any = [weather_tool()]
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, user("the weather?")]
    async with served(script, tmp_path) as server, official(server) as client:
        made = await client.chat.completions.create(model="umi", messages=messages, tools=tools)
        asked = made.choices[0].message
        assert made.choices[0].finish_reason == "tool_calls"
        assert asked.tool_calls is not None
        names = [
            (one.function.name, one.function.arguments) for one in asked.tool_calls if one.type == "function"
        ]
        assert names == [("get_weather", '{"city":"Oslo"}'), ("get_weather", '{"city":"Bergen"}')]
        messages.append(asked)
        for one, said in reversed([*zip(asked.tool_calls, ("rain", "sun"), strict=True)]):
            messages.append({"role": "tool", "tool_call_id": one.id, "content": said})
        stream = await client.chat.completions.create(
            model="umi", messages=messages, tools=tools, stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == "Rain in Oslo, sun in Bergen."
    _, seen = server.engine.seen[-1]
    assert seen.instruction == "Be brief."
    assert [spec.name for spec in seen.tools] == ["get_weather"]
    assert seen.turns[1] == PlannerTurn("I need the weather.", "caller")
    assert seen.turns[3:5] == (ToolTurn("get_weather", "rain"), ToolTurn("get_weather", "sun"))


async def test_a_choice_of_tools_is_obeyed(tmp_path: Path) -> None:
    two = call("b_tool", city="Oslo") + "\n" + call("b_tool", city="Rome")
    script = [two, call("a_tool", city="Rome"), plan("No tool is needed.", "summarizer"), "Hello."]
    tools = [weather_tool("a_tool"), weather_tool("b_tool")]
    named = {"type": "function", "function": {"name": "b_tool"}}
    async with served(script, tmp_path) as server:
        body = chat(user("go"), tools=tools, tool_choice=named, parallel_tool_calls=False)
        first = (await server.post(body)).json()["choices"][0]["message"]
        assert [one["function"]["arguments"] for one in first["tool_calls"]] == ['{"city":"Oslo"}']
        assert [role for role, _ in server.engine.seen] == ["caller"]
        assert "b_tool" in server.engine.seen[0][1].turns[-1].content  # pyright: ignore
        second = (await server.post(chat(user("go"), tools=tools, tool_choice="required"))).json()
        assert second["choices"][0]["finish_reason"] == "tool_calls"
        third = (await server.post(chat(user("hi"), tools=tools, tool_choice="none"))).json()
        assert third["choices"][0]["message"]["content"] == "Hello."
        assert server.engine.seen[-1][1].tools == ()


@pytest.mark.parametrize(("allowed", "written"), [(False, False), (True, True)])
async def test_umi_s_own_tools_write_only_where_that_was_allowed(
    tmp_path: Path, allowed: bool, written: bool
) -> None:
    script = [
        plan("I will write it.", "caller"),
        call("write_file", path="a.txt", content="hi"),
        plan("It is done.", "summarizer"),
        "Done.",
    ]

    def approve(request: Request) -> Any:
        return request.allow("the operator")

    async with served(script, tmp_path, approve=approve if allowed else None) as server:
        reply = (await server.post(chat(user("write hi to a.txt")))).json()
    assert (tmp_path / "workspace" / "a.txt").exists() == written
    assert reply["umi"]["reason"] == ("answered" if written else "failed")


async def test_an_answer_ends_where_the_client_says(tmp_path: Path) -> None:
    answer = [plan("I know it.", "summarizer"), "one two three STOP four"]
    async with served(answer * 5, tmp_path) as server:
        stopped = (await server.post(chat(user("count"), stop="STOP"))).json()["choices"][0]
        assert (stopped["message"]["content"], stopped["finish_reason"]) == ("one two three", "stop")
        body = chat(user("count"), stop=["no such", "STOP"], stream=True)
        assert "STO" not in (await server.post(body)).text
        short = (await server.post(chat(user("count"), max_tokens=2))).json()["choices"][0]
        assert (short["message"]["content"], short["finish_reason"]) == ("one two", "length")
        body = chat(user("count"), max_tokens=-1, stop=[f"<end {at}>" for at in range(20)])
        long = (await server.post(body)).json()["choices"][0]
        assert (long["message"]["content"], long["finish_reason"]) == ("one two three STOP four", "stop")
        long = (await server.post(chat(user("count"), max_completion_tokens=99))).json()["choices"][0]
        assert (long["message"]["content"], long["finish_reason"]) == ("one two three STOP four", "stop")


async def test_an_unknown_history_becomes_turns_and_is_not_trusted(tmp_path: Path) -> None:
    script = [
        plan("I will note it.", "caller"),
        call("add_note", text="milk"),
        plan("It was refused.", "give up"),
    ]
    history = [user("hello"), {"role": "assistant", "content": "Hi!"}, user("note: milk")]
    async with served(script, tmp_path) as server:
        reply = (await server.post(chat(*history))).json()
    _, seen = server.engine.seen[0]
    assert seen.turns[:3] == (UserTurn("hello"), PlannerTurn("", "summarizer"), SummarizerTurn("Hi!"))
    assert reply["umi"]["reason"] == "failed", "add_note asks where a stranger's text was read"


async def test_fields_that_are_null_or_unknown_have_no_effect(tmp_path: Path) -> None:
    """As libraries send them that write every field, and editors with settings of other servers."""
    unset = (
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "stop",
        "user",
        "response_format",
        "n",
        "logprobs",
    )
    empty = {"name": None, "tool_calls": None, "tool_call_id": None, "refusal": None, "audio": None}
    history = [{**empty, "role": "user", "content": "hello"}, {**empty, "role": "assistant", "content": []}]
    settings = {
        "prompt_cache_key": "x",
        "reasoning_effort": "low",
        "top_k": 40,
        "keep_alive": "5m",
        "store": False,
    }
    body = chat(*history, {**empty, "role": "user", "content": "well?"}, **dict.fromkeys(unset), **settings)
    async with served([plan("Fine.", "summarizer"), "Yes."], tmp_path) as server:
        reply = (await server.post({**body, "model": None})).json()
    assert reply["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Yes.",
        "refusal": None,
        "reasoning_content": "Fine.",
    }


async def test_the_stream_is_what_a_reader_of_lines_expects(tmp_path: Path) -> None:
    script = [plan("Fine.", "summarizer"), "Two\nlines, na\u00efve."]
    body = chat(user("well?"), stream=True, stream_options={"include_usage": True})
    async with served(script, tmp_path) as server:
        reply = await server.post(body, Accept="text/event-stream", Authorization="Bearer sk-any")
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    *events, last, end = reply.text.split("\n\n")
    assert (last, end) == ("data: [DONE]", "")
    assert all(event.startswith("data: {") and "\n" not in event for event in events)
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert (
        "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1]) == "Two\nlines, na\u00efve."
    )
    assert [c["choices"][0]["finish_reason"] for c in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] > 0


async def test_two_that_ask_at_once_are_both_answered(tmp_path: Path) -> None:
    script = [plan("Fine.", "summarizer"), "Yes."] * 2
    async with served(script, tmp_path) as server:
        replies = await asyncio.gather(*(server.post(chat(user("well?"))) for _ in range(2)))
    assert [reply.json()["choices"][0]["message"]["content"] for reply in replies] == ["Yes.", "Yes."]
