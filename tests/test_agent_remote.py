"""`--engine URL`: the roles on a server, held to the grammars there or here; what it can do is found out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fakes import call, plan
from model_server import LlamaServer, Ollama, called, chat_delta, tokenized

from agent.bundle import Bundle
from agent.engine import Generated
from agent.errors import EngineError, InputError
from agent.events import CallProposed, Event, Finished, Observation
from agent.llama.grammar.constraints import BRIEF_THOUGHT
from agent.loop import Agent
from agent.prompting import prompt_ids
from agent.remote.chat_engine import ChatServerEngine
from agent.remote.client import KEY_VARIABLE
from agent.remote.engine import RemoteEngine
from agent.remote.opening import open_remote_engine
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox, select_tools
from agent.transcript import PlannerTurn, Transcript, UserTurn

URL = "http://127.0.0.1:8080/v1"
QUESTION = "what is 17.5% of 240?"


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Bundle) -> Bundle:
    """A grounded bundle of one model, `backbone.gguf`, of which only the manifest is read."""
    roles = {
        role: replace(file, file="backbone.gguf", grounded=role == "summarizer")
        for role, file in tiny_bundle.roles.items()
    }
    return replace(tiny_bundle, roles=roles, layout="single", context_length=4096)


def agent_on(server: LlamaServer | Ollama, bundle: Bundle, folder: Path, url: str = URL) -> Agent:
    """An agent over three tools whose models run on `server`."""
    tools = select_tools(builtin_tools(), ["calculate", "convert_units", "read_file"])
    engine = open_remote_engine(url, bundle, {tool.name: tool.kinds for tool in tools}, server.transport)
    return Agent(engine, Toolbox(tools, ToolContext(Workspace(folder), folder / "notes.jsonl")))


def turn(agent: Agent, question: str = QUESTION) -> list[Event]:
    """The events of a turn; the agent is closed after it."""
    with agent:
        return list(agent.run(agent.begin(), question))


def script(expression: str = "17.5% * 240", answer: str = "17.5% * 240 = 42") -> list[str]:
    """What the roles write about QUESTION."""
    return [
        plan("I will work this out with calculate.", "caller"),
        call("calculate", expression=expression),
        plan("I have it.", "summarizer"),
        answer,
    ]


def test_a_server_with_grammars_is_asked_with_token_ids_and_the_local_grammars(
    bundle: Bundle, tmp_path: Path
) -> None:
    server = LlamaServer(script())
    agent = agent_on(server, bundle, tmp_path)
    assert isinstance(agent.engine, RemoteEngine)
    assert agent.engine.context_length == 2000
    assert "same grammars" in " ".join(agent.engine.server.summary())
    question = f"{QUESTION} <|im_end|>"
    finished = turn(agent, question)[-1]
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.answer) == ("answered", "17.5% * 240 = 42")
    planner = finished.stats["planner"]
    assert (planner.prompt_reused, planner.generated) == (40, 14)
    assert 0 < planner.model_seconds <= planner.seconds, "waiting for a server is not Python's time"
    first = server.bodies[0]
    asked = Transcript(agent.toolbox.specs, (UserTurn(question),))
    assert first["prompt"] == prompt_ids(asked, "planner", tokenized)
    assert first["prompt"].count(257) == 2, "of the system's and the user's turn; none of the question's text"
    assert all(body["grammar"].startswith("%llguidance") for body in server.bodies)
    assert "start: turn <|im_end|>" in first["grammar"]


@pytest.mark.parametrize("grammar", ["gbnf", "none"])
def test_a_call_of_what_nobody_said_ends_the_turn(bundle: Bundle, tmp_path: Path, grammar: Any) -> None:
    finished = turn(agent_on(LlamaServer(script("99 * 77"), grammar=grammar), bundle, tmp_path))[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == "error"
    assert "the server's caller wrote" in finished.answer


def test_an_answer_with_a_number_from_nowhere_is_not_shown(bundle: Bundle, tmp_path: Path) -> None:
    made_up = script(answer="It is 43.")
    finished = turn(agent_on(LlamaServer(made_up, grammar="gbnf"), bundle, tmp_path))[-1]
    assert isinstance(finished, Finished)
    assert "43" not in finished.answer
    assert "42" in finished.answer, "what the tool said takes its place"


def test_gbnf_holds_the_form_and_text_prompts_spell_no_markup(bundle: Bundle, tmp_path: Path) -> None:
    server = LlamaServer(script(), grammar="gbnf", tokenizes=False)
    turn(agent_on(server, bundle, tmp_path), f"{QUESTION} <|im_start|>system")
    assert all(body["grammar"].startswith("root ::=") for body in server.bodies)
    assert "calculate" in server.bodies[1]["grammar"]
    assert "read_file" not in server.bodies[1]["grammar"], "the thought names one tool"
    assert "< |im_start|>system" in server.bodies[0]["prompt"]
    assert server.bodies[0]["prompt"].endswith("<|im_start|>planner\n")


@pytest.mark.parametrize(
    ("grammar", "bound"),
    [
        ("llguidance", f"{{1,{BRIEF_THOUGHT}}}"),
        ("gbnf", f"{{0,{BRIEF_THOUGHT - 1}}}"),
        ("none", ""),
    ],
)
def test_a_thought_that_loops_is_asked_for_again_and_short(
    bundle: Bundle, tmp_path: Path, grammar: Any, bound: str
) -> None:
    looped = plan(f"It{' cannot be read and' * 9}", "give up")
    server = LlamaServer([looped, plan("I greet.", "summarizer"), "Hello!"], grammar=grammar)
    finished = turn(agent_on(server, bundle, tmp_path))[-1]
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.answer) == ("answered", "Hello!")
    first, second, _ = (body.get("grammar", "") for body in server.bodies)
    assert bound in second
    assert not bound or bound not in first


def test_a_planner_that_hands_over_to_nobody_ends_the_turn(bundle: Bundle, tmp_path: Path) -> None:
    server = LlamaServer(["Hello!\nNext: nobody"], grammar="none")
    agent = agent_on(server, bundle, tmp_path)
    assert "takes no grammars" in " ".join(agent.engine.server.summary())  # pyright: ignore
    finished = turn(agent)[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == "error"
    assert "grammar" not in server.bodies[0]


def test_a_cancel_leaves_a_server_that_does_not_answer(bundle: Bundle, tmp_path: Path) -> None:
    server = LlamaServer([], hangs=True)
    cancelled = threading.Event()
    with agent_on(server, bundle, tmp_path) as agent:
        events = agent.run(agent.begin(), QUESTION, cancelled=cancelled.is_set)
        next(events)
        cancelled.set()
        *_, last = events
        assert isinstance(last, Finished)
        assert last.reason == "cancelled"
    assert server.left.is_set()


def test_the_models_of_roles_are_found_by_name(bundle: Bundle, tmp_path: Path) -> None:
    names = ["base", "planner", "caller", "summarizer"]
    server = LlamaServer(script(), models=names)
    assert isinstance(turn(agent_on(server, bundle, tmp_path))[-1], Finished)
    assert [body["model"] for body in server.bodies] == ["planner", "caller", "planner", "summarizer"]


def test_llama_server_switches_the_adapter_of_each_role_on_by_request(bundle: Bundle, tmp_path: Path) -> None:
    roles = {
        role: replace(file, adapter=replace(file, file=f"{role}-a.gguf"))
        for role, file in bundle.roles.items()
    }
    shared = replace(bundle, layout="shared", roles=roles)
    files = [f"/models/{role}-a.gguf" for role in ("other", "summarizer", "caller", "planner")]
    server = LlamaServer(script(), adapters=files)
    agent = agent_on(server, shared, tmp_path)
    assert "by request" in agent.engine.server.summary()[0]  # pyright: ignore
    turn(agent)
    switched = [{one["id"]: one["scale"] for one in body["lora"]} for body in server.bodies]
    planner = {1: 0.0, 2: 0.0, 3: 1.0}
    assert switched == [planner, {1: 0.0, 2: 1.0, 3: 0.0}, planner, {1: 1.0, 2: 0.0, 3: 0.0}]

    named = LlamaServer(script(), models=["planner", "caller", "summarizer"])
    turn(agent_on(named, shared, tmp_path))
    assert "lora" not in named.bodies[0], "the server has a model for each role"
    message = refused(LlamaServer([], adapters=files[:2]), shared, tmp_path)
    assert "without planner-a.gguf, caller-a.gguf" in message
    assert "--lora" in message


def test_llama_cpp_pythons_server_is_asked_for_gbnf_alone_and_for_no_penalty(
    bundle: Bundle, tmp_path: Path
) -> None:
    server = LlamaServer(script(), grammar="gbnf", tokenizes=False, owner="me")
    agent = agent_on(server, bundle, tmp_path)
    assert "llama-cpp-python" in agent.engine.server.summary()[0]  # pyright: ignore
    turn(agent)
    assert [grammar[:8] for grammar in server.trials] == ["root ::="], "another grammar ends that server"
    assert {body["repeat_penalty"] for body in server.bodies} == {1.0}


def test_a_server_is_sent_no_grammar_option_that_its_llguidance_does_not_know(bundle: Bundle) -> None:
    server = LlamaServer([call("calculate", expression="1+1")])
    tools = tuple(tool.spec for tool in select_tools(builtin_tools(), ["calculate"]))
    asked = Transcript(tools, (UserTurn(QUESTION), PlannerTurn("I will use calculate.", "caller")))
    engine = open_remote_engine(URL, bundle, {}, server.transport)
    *_, generated = engine.generate("caller", asked, cancelled=lambda: False)
    engine.close()
    assert isinstance(generated, Generated)
    assert generated.text == server.script[0]
    assert "%json" in server.bodies[0]["grammar"]
    assert "json_allowed_escapes" not in server.bodies[0]["grammar"]


def refused(server: LlamaServer | Ollama, bundle: Bundle, folder: Path, url: str = URL) -> str:
    """The message of the InputError of an engine that cannot be opened."""
    with pytest.raises(InputError) as error:
        agent_on(server, bundle, folder, url)
    return str(error.value)


def test_what_cannot_be_used_is_said(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no URL" in refused(LlamaServer([]), bundle, tmp_path, "8080")
    assert "lists no models" in refused(LlamaServer([], models=[]), bundle, tmp_path)
    several = Ollama([], models=["a", "b"])
    assert "#a" in refused(several, bundle, tmp_path)
    assert "no model 'c'" in refused(several, bundle, tmp_path, f"{URL}#c")
    assert agent_on(several, bundle, tmp_path, f"{URL}#b").engine.server.models["caller"] == "b"  # pyright: ignore

    def locked(request: httpx2.Request) -> httpx2.Response:
        allowed = request.headers.get("Authorization") == "Bearer secret"
        return httpx2.Response(200 if allowed else 401, json={"data": [{"id": "x"}]})

    with pytest.raises(InputError, match="lists no models"):
        open_remote_engine(URL, bundle, {}, httpx2.MockTransport(locked))
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    open_remote_engine(URL, bundle, {}, httpx2.MockTransport(locked)).close()
    with pytest.raises(EngineError, match="does not answer"):
        open_remote_engine("http://127.0.0.1:9/v1", bundle, {})


def test_an_error_of_the_server_ends_the_turn(bundle: Bundle, tmp_path: Path) -> None:
    finished = turn(agent_on(LlamaServer(["(error)"]), bundle, tmp_path))[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == "error"
    assert "out of memory" in finished.answer


def on_ollama(
    replies: Sequence[Sequence[dict[str, Any]]], bundle: Bundle, folder: Path
) -> tuple[Agent, Ollama]:
    """An agent on a stand-in of Ollama."""
    server = Ollama(replies)
    return agent_on(server, bundle, folder), server


def test_a_stock_model_of_ollama_calls_and_answers(bundle: Bundle, tmp_path: Path) -> None:
    replies = [
        [called("calculate", expression="17.5/100*240"), chat_delta("tool_calls")],
        [chat_delta(role="assistant", content="It is"), chat_delta(content=" 42."), chat_delta("stop")],
    ]
    agent, server = on_ollama(replies, bundle, tmp_path)
    assert isinstance(agent.engine, ChatServerEngine)
    assert "Ollama runs qwen2.5:0.5b" in agent.engine.server.summary()[0]
    events = turn(agent)
    assert [event.content for event in events if isinstance(event, Observation)] == ["42"]
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.answer) == ("answered", "It is 42.")
    assert len(server.bodies) == 2, "a reply is read on by the next role"
    sent = server.bodies[1]["messages"]
    assert sent[-1]["role"] == "tool"
    assert sent[-1]["content"] == "42"
    assert sent[-1]["tool_call_id"] == sent[-2]["tool_calls"][0]["id"]
    assert {tool["function"]["name"] for tool in server.bodies[0]["tools"]} >= {"calculate", "read_file"}


def test_a_tool_that_a_stock_model_made_up_is_an_observation(bundle: Bundle, tmp_path: Path) -> None:
    replies = [
        [called("get_weather", city="Oslo")],
        [chat_delta(role="assistant", content="I cannot tell."), chat_delta("stop")],
    ]
    events = turn(on_ollama(replies, bundle, tmp_path)[0], "the weather in Oslo?")
    assert [event.name for event in events if isinstance(event, CallProposed)] == ["get_weather"]
    assert [event.ok for event in events if isinstance(event, Observation)] == [False]


def test_what_a_stock_model_reads_spells_no_usual_markup(bundle: Bundle, tmp_path: Path) -> None:
    agent, server = on_ollama([[chat_delta(content="Hm."), chat_delta("stop")]], bundle, tmp_path)
    turn(agent, "a <|im_end|> b </s> c [INST] d <start_of_turn> e <div>")
    (question,) = [sent["content"] for sent in server.bodies[0]["messages"] if "<div>" in sent["content"]]
    assert question == "a < |im_end|> b < /s> c [ INST] d < start_of_turn> e <div>"
