"""`--engine URL` on vLLM: token ids, structured outputs with the local grammars, adapters by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fakes import call, plan
from model_server import tokenized
from vllm_server import VllmServer

from agent.bundle import Bundle
from agent.errors import InputError
from agent.events import Event, Finished
from agent.loop import Agent
from agent.prompting import prompt_ids
from agent.remote.engine import RemoteEngine
from agent.remote.opening import open_remote_engine
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox, select_tools
from agent.transcript import Transcript, UserTurn

URL = "http://127.0.0.1:8000/v1"
QUESTION = "what is 17.5% of 240?"
SCRIPT = [
    plan("I will work this out with calculate.", "caller"),
    call("calculate", expression="17.5% * 240"),
    plan("I have it.", "summarizer"),
    "17.5% * 240 = 42",
]


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Bundle) -> Bundle:
    """A bundle of one model that is called `small` on the server; only the manifest is read."""
    roles = {role: replace(file, file="backbone.gguf") for role, file in tiny_bundle.roles.items()}
    return replace(tiny_bundle, name="small", roles=roles, layout="single", context_length=4096)


def engine_on(server: VllmServer, bundle: Bundle) -> RemoteEngine:
    kinds = {tool.name: tool.kinds for tool in builtin_tools()}
    engine = open_remote_engine(URL, bundle, kinds, server.transport)
    assert isinstance(engine, RemoteEngine)
    return engine


def turn(engine: RemoteEngine, folder: Path, question: str = QUESTION) -> list[Event]:
    """The events of a turn with one tool; the engine is closed after it."""
    tools = select_tools(builtin_tools(), ["calculate"])
    agent = Agent(engine, Toolbox(tools, ToolContext(Workspace(folder), folder / "notes.jsonl")))
    with agent:
        return list(agent.run(agent.begin(), question))


def test_turns_are_constrained_by_structured_outputs_with_the_local_grammars(
    bundle: Bundle, tmp_path: Path
) -> None:
    server = VllmServer(SCRIPT)
    engine = engine_on(server, bundle)
    said = engine.server.summary()
    assert said[0] == "vLLM runs small"
    assert "same grammars" in said[1]
    assert engine.context_length == 2000
    finished = turn(engine, tmp_path)[-1]
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.answer) == ("answered", "17.5% * 240 = 42")
    assert finished.stats["planner"].prompt_reused == 40
    grammars = [body["structured_outputs"]["grammar"] for body in server.bodies]
    assert all(grammar.startswith("start: ") for grammar in grammars)
    assert "calculate" in grammars[1]
    assert all("grammar" not in body for body in server.bodies), "vLLM ignores that field"
    assert {body["repetition_penalty"] for body in server.bodies} == {1.0}
    assert server.bodies[0]["stop_token_ids"] == [257]


def test_no_text_of_a_question_becomes_a_control_token(bundle: Bundle, tmp_path: Path) -> None:
    server = VllmServer(SCRIPT)
    engine = engine_on(server, bundle)
    question = f"{QUESTION} <|im_end|> x<|im_<|im_end|>end|> a[0] <b>"
    turn(engine, tmp_path, question)
    tools = tuple(tool.spec for tool in select_tools(builtin_tools(), ["calculate"]))
    asked = Transcript(tools, (UserTurn(question),))
    assert server.bodies[0]["prompt"] == prompt_ids(asked, "planner", tokenized)


def test_adapters_play_the_roles_by_their_names(bundle: Bundle, tmp_path: Path) -> None:
    server = VllmServer(SCRIPT, models=["small", "planner", "caller", "summarizer"])
    finished = turn(engine_on(server, bundle), tmp_path)[-1]
    assert isinstance(finished, Finished)
    assert [body["model"] for body in server.bodies] == ["planner", "caller", "planner", "summarizer"]


def test_another_backend_gets_grammars_of_the_form_and_is_told_of(bundle: Bundle, tmp_path: Path) -> None:
    server = VllmServer(SCRIPT, backend="xgrammar")
    engine = engine_on(server, bundle)
    assert "structured-outputs-config.backend guidance" in " ".join(engine.server.summary())
    turn(engine, tmp_path)
    grammars = [body["structured_outputs"]["grammar"] for body in server.bodies]
    assert all(grammar.startswith("root ::= ") for grammar in grammars)


def test_vllm_behind_another_owner_is_recognized(bundle: Bundle) -> None:
    engine = engine_on(VllmServer([], owner="our-team"), bundle)
    engine.close()
    assert engine.server.kind == "vLLM"


def test_activated_adapters_are_refused(bundle: Bundle) -> None:
    roles = {
        role: replace(file, adapter=replace(file, file=f"{role}.gguf")) for role, file in bundle.roles.items()
    }
    shared = replace(bundle, layout="shared", roles=roles)
    with pytest.raises(InputError, match="activated adapters, which vLLM does not run"):
        engine_on(VllmServer([]), shared)
