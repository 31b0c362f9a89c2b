"""Importers on small conversations of every format: the rows that they become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from foreign import (
    CALLING,
    LOOP,
    QUESTION,
    RAIN,
    SAID,
    WEATHER,
    import_rows,
    imported,
    openai_chat,
    paper_row,
    sharegpt_chat,
    thinking,
    toolbench_answer,
    turns,
)

from agent.errors import InputError
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    UserTurn,
)
from agent.transcript.rows import read_rows


def test_openai_tool_calls(tmp_path: Path) -> None:
    assert turns(tmp_path, "openai", openai_chat()) == (QUESTION, *LOOP)


def test_openai_older_functions_and_a_standing_instruction(tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather in Oslo?"}]},
        {"role": "assistant", "content": "I look.", "function_call": json.loads(CALLING)},
        {"role": "function", "name": "weather", "content": "rain"},
        {"role": "assistant", "content": "<think>So\nwet.</think>It rains."},
    ]
    (row,) = imported(tmp_path, "openai", {"messages": messages, "functions": [WEATHER]})
    assert row.transcript.instruction == "Be brief."
    assert row.transcript.turns == (QUESTION, *thinking("I look.", "So wet."))


def test_parallel_results_stand_in_the_order_of_their_calls(tmp_path: Path) -> None:
    value = openai_chat()
    calls = [
        {"id": city, "function": {"name": "weather", "arguments": {"city": city}}}
        for city in ("Oslo", "Rome")
    ]
    value["messages"][1:3] = [
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "Rome", "content": "sun"},
        {"role": "tool", "tool_call_id": "Oslo", "content": "rain"},
    ]
    found = turns(tmp_path, "openai", value)
    assert found[2:5] == (
        CallerTurn((RAIN, Call("weather", {"city": "Rome"}))),
        ToolTurn("weather", "rain"),
        ToolTurn("weather", "sun"),
    )


def test_react_text_becomes_turns(tmp_path: Path) -> None:
    replies = ["Thought: Look\nit up.\nAction: search[oslo [city]]", "Thought: Known.\nAction: finish[wet]"]
    messages = [
        {"role": "user", "content": "Question: How is Oslo?"},
        {"role": "assistant", "content": replies[0]},
        {"role": "user", "content": "Observation: rain"},
        {"role": "assistant", "content": replies[1]},
        {"role": "user", "content": "Observation: Episode finished, reward = 1"},
    ]
    assert turns(tmp_path, "openai", {"messages": messages}) == (
        UserTurn("How is Oslo?"),
        PlannerTurn("Look it up.", "caller"),
        CallerTurn((Call("search", {"input": "oslo [city]"}),)),
        ToolTurn("search", "rain"),
        PlannerTurn("Known.", "summarizer"),
        SummarizerTurn("wet"),
    )
    messages[-1]["content"] = "Observation: Episode finished, reward = 0"
    with pytest.raises(InputError, match="1 a run that failed"):
        imported(tmp_path, "openai", {"messages": messages})


@pytest.mark.parametrize(
    "value",
    [
        sharegpt_chat(
            ("human", "Weather in Oslo?"),
            ("function_call", CALLING),
            ("observation", "rain"),
            ("gpt", "It rains."),
            tools=json.dumps([WEATHER]),
        ),
        sharegpt_chat(
            ("system", f"Use <tools></tools>. <tools>[{json.dumps(WEATHER)}]</tools> Write <tool_call>."),
            ("human", "Weather in Oslo?"),
            ("gpt", "<tool_call>\n{'arguments': {'city': 'Oslo'}, 'name': 'weather'}\n</tool_call>"),
            ("tool", "<tool_response>\nrain\n</tool_response>"),
            ("gpt", "It rains."),
        ),
        {
            "system": f"SYSTEM: You have functions. Use them if required -\n{json.dumps(WEATHER, indent=1)}",
            "chat": "USER: Weather in Oslo?\n\n\nASSISTANT: <functioncall> "
            '{"name": "weather", "arguments": \'{"city": "Oslo"}\'} <|endoftext|>\n\n\n'
            "FUNCTION RESPONSE: rain\n\n\nASSISTANT: It rains. <|endoftext|>",
        },
    ],
    ids=["llama-factory", "hermes", "glaive"],
)
def test_sharegpt_dialects(tmp_path: Path, value: dict[str, Any]) -> None:
    (row,) = imported(tmp_path, "sharegpt", value)
    assert row.transcript.turns == (QUESTION, *LOOP)
    assert row.transcript.instruction == ""
    assert [tool.name for tool in row.transcript.tools] == ["weather"]


def test_toolrl_rows_hold_a_history_and_a_reply(tmp_path: Path) -> None:
    value = {
        "instruction": "Tools:\n1. Name: weather\nDescription: Of a\ncity.\n"
        'Parameters: {"city": {"type": "str", "description": "it"}}\n\n**Steps**',
        "input": "**Dialogue Records History**\n<user> Weather in Oslo? </user>\n\n<think> I look. </think>\n"
        f"<tool_call>\n{CALLING}\n</tool_call>\n<obs> rain </obs>",
        "output": "<think> Wet. </think>\n<response> It rains. </response>",
    }
    (row,) = imported(tmp_path, "sharegpt", value)
    assert row.transcript.turns == (QUESTION, *thinking("I look.", "Wet."))
    assert row.transcript.tools[0] == ToolSpec(
        "weather",
        "Of a\ncity.",
        {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "it"}},
            "required": ["city"],
        },
    )


def test_small_talk_and_greetings(tmp_path: Path) -> None:
    value = sharegpt_chat(
        ("gpt", "Hi!"), ("human", "Hello"), ("human", "you"), ("gpt", "Yes?"), ("human", "…")
    )
    assert turns(tmp_path, "sharegpt", value) == (
        UserTurn("Hello\n\nyou"),
        PlannerTurn("", "summarizer"),
        SummarizerTurn("Yes?"),
    )


def test_xlam(tmp_path: Path) -> None:
    tools = [
        {
            "name": "weather",
            "description": "",
            "parameters": {
                "city": {"type": "str", "description": "c"},
                "days": {"type": "int, optional", "description": "d", "default": 1},
            },
        }
    ]
    value = {"id": 7, "query": "Weather in Oslo?", "tools": json.dumps(tools), "answers": f"[{CALLING}]"}
    first, second = imported(tmp_path, "xlam", value, value | {"id": 8, "answers": "[]"})
    assert (first.id, second.id) == ("in/7", "in/8")
    assert first.transcript.turns == (QUESTION, *LOOP[:2])
    assert second.transcript.turns == (QUESTION, PlannerTurn("", "give up"))
    assert first.transcript.tools[0].parameters["required"] == ["city"]


def test_toolbench_takes_the_path_that_answers(tmp_path: Path) -> None:
    file = tmp_path / "answers" / "G1" / "1_tree.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(toolbench_answer(), indent=2))
    assert import_rows(["toolbench", str(tmp_path / "answers"), "--out", str(tmp_path / "out.jsonl")]) == 0
    (row,) = read_rows(tmp_path / "out.jsonl")
    assert row.transcript.turns == (QUESTION, *thinking("I look.", "Wet."))
    assert [tool.name for tool in row.transcript.tools] == ["weather"]
    assert row.id == "1_tree/1"


def test_toolbench_gives_up_where_no_path_answers(tmp_path: Path) -> None:
    found = turns(tmp_path, "toolbench", toolbench_answer("give_up_and_restart"))
    assert found[-1] == PlannerTurn("Wet.", "give up")


def test_toolbench_messages_and_failed_calls(tmp_path: Path) -> None:
    value = toolbench_answer()
    del value["tree"]
    finish = {"name": "Finish", "arguments": '{"return_type": "give_answer", "final_answer": "It rains."}'}
    failed = '{"error": "HTTP 503", "response": ""}'
    value["answer_generation"]["train_messages"] = [
        [{"role": "system", "content": "You are AutoGPT"}],
        [
            {"role": "system", "content": "You are AutoGPT"},
            {"role": "user", "content": "Weather in Oslo?\nBegin!"},
            {"role": "assistant", "content": None, "function_call": json.loads(CALLING)},
            {"role": "function", "name": "weather", "content": failed},
            {"role": "user", "content": "This is not the first time you try this task, …", "valid": False},
            {"role": "assistant", "content": "Wet.", "function_call": finish},
        ],
    ]
    found = turns(tmp_path, "toolbench", value)
    assert found[:3] == (QUESTION, *LOOP[:2])
    assert found[3:5] == (ToolTurn("weather", "HTTP 503", True), PlannerTurn("Wet.", "summarizer"))


def test_alpha_umi_conversations(tmp_path: Path) -> None:
    value = paper_row(instruction="Weather in Oslo?", conversations=SAID)
    assert turns(tmp_path, "alpha-umi", value) == (QUESTION, *thinking("I look.", "Wet."))
    give_up = paper_row(conversations=[SAID[0], {"from": "assistant", "value": "No tool. Next: give up."}])
    assert turns(tmp_path, "alpha-umi", give_up) == (QUESTION, PlannerTurn("No tool.", "give up"))


def test_alpha_umi_raw_chains(tmp_path: Path) -> None:
    finish = {"name": "Finish", "arguments": '{"return_type": "give_answer", "final_answer": "It rains."}'}
    chains = [
        {"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "content": "I look.", "function_call": json.loads(CALLING)},
        {"role": "function", "name": "weather", "content": '{"error": "", "response": "rain"}'},
        {"role": "assistant", "content": "Wet.", "function_call": finish},
    ]
    value = paper_row(instruction="Weather in Oslo?", chains=chains)
    assert turns(tmp_path, "alpha-umi", value) == (QUESTION, *thinking("I look.", "Wet."))


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("I look.\n Next: caller.", 2),
        ("I look.\nAction: weather\nAction Input: {}", 3),
        ("I look.\nconclusion: It rains.", 3),
        ("No tool.\nconclusion: give up.", 2),
    ],
)
def test_alpha_umi_examples_of_a_step(tmp_path: Path, target: str, kept: int) -> None:
    value = paper_row(history=SAID[:1], target=target)
    assert len(turns(tmp_path, "alpha-umi", value)) == kept


def test_alpha_umi_examples_that_a_longer_one_begins_with_make_no_row(tmp_path: Path) -> None:
    examples = [paper_row(history=SAID[:at], target=SAID[at]["value"]) for at in (1, 2, 6, 7)]
    other = paper_row(history=[{"from": "user", "value": "Hi"}], target="No tool. Next: give up.")
    first, second = imported(tmp_path, "alpha-umi", *examples, other)
    assert first.transcript.turns == (QUESTION, *thinking("I look.", "Wet."))
    assert second.transcript.turns == (UserTurn("Hi"), PlannerTurn("No tool.", "give up"))
