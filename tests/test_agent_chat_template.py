"""Chat templates: which messages each can render, its description, and which are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chat_templates import (
    ANSWERED,
    ASKED,
    CHANNELS,
    CHATML,
    DATED,
    FORGETFUL,
    GIVEN_UP,
    GROUPED,
    INST,
    LATEST,
    STRICT,
    TEMPLATES,
    Letters,
    shown,
    template,
)

from agent.errors import BundleError
from agent.prompting.chat import chat_prompt_ids, chat_system_ids, check_template
from agent.prompting.chat_text import chat_instruction, chat_system
from agent.prompting.sandbox import CompiledTemplate
from agent.transcript import Transcript

STYLES = {
    "ChatML": (True, True, True),
    "ChatML with grouped results": (True, True, True),
    "headers": (True, True, True),
    "headers and a date": (True, True, True),
    "strict": (False, False, False),
    "INST": (False, False, False),
    "forgetful": (True, True, True),
    "channels": (True, True, True),
}


@pytest.fixture(params=TEMPLATES)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_each_template_gets_the_messages_it_can_render(kind: str) -> None:
    style = template(TEMPLATES[kind]).style
    assert (style.system, style.tool, style.repeated) == STYLES[kind]


def test_a_prompt_ends_where_the_role_begins_to_write() -> None:
    assert shown(CHATML, ASKED).endswith("<|im_end|>\n<|im_start|>assistant\n")
    assert shown(INST, ASKED).endswith(" [/INST] ")
    assert shown(CHANNELS, ASKED).endswith("<|end|><|start|>assistant<|channel|>final<|message|>")
    assert shown(FORGETFUL, ASKED).endswith("<|assistant|><think>\n\n</think>\n\n")
    assert "<think>" not in shown(FORGETFUL, GIVEN_UP).removesuffix("<think>\n\n</think>\n\n")


def test_an_empty_conversation_renders_the_instruction(kind: str) -> None:
    assert chat_instruction("planner", Transcript()) in shown(TEMPLATES[kind], Transcript())


def test_a_date_is_the_same_every_day() -> None:
    assert "Today is 01 Jan 2025<|eot_id|>" in shown(DATED, ASKED)


def test_a_template_that_rewrites_messages_still_renders_all_of_them() -> None:
    compiled, tokenize = template(LATEST), Letters()
    assert not compiled.stable
    assert chat_system_ids(ASKED, compiled, tokenize) == []
    assert "user\nWhere is it?<|im_end|>" in shown(LATEST, ANSWERED)
    (problem,) = check_template(compiled, tokenize)
    assert problem.startswith("earlier messages change when later ones are added")


def test_a_system_message_that_moves_is_joined_to_the_first_user_message() -> None:
    compiled = template(INST)
    assert compiled.stable
    assert shown(INST, ANSWERED).startswith(
        f"<s>[INST] {chat_system(ANSWERED)[0]}\n\nWhere is it? [/INST] I look"
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (CHATML, []),
        (GROUPED, []),
        (STRICT, ["no system role", "no tool role", "no two user messages in a row"]),
        (FORGETFUL, ["the template opens a thought"]),
        (
            CHATML.replace("<|im_start|>", "### ").replace("<|im_end|>", "\n"),
            ["messages are divided by plain text"],
        ),
    ],
)
def test_a_template_is_described(source: str, expected: list[str]) -> None:
    lines = check_template(template(source), Letters())
    assert len(lines) == len(expected)
    assert all(
        line.startswith(start) and "\n" not in line for line, start in zip(lines, expected, strict=True)
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% if %}", "does not compile: line 1"),
        ("{% for m in messages %}\n{{ m.content }}\n{% endif %}", "does not compile: line 3"),
        ("{{ raise_exception('only\nfor images') }}", "only for images"),
        ("{% for m in messages %}{{ m.role }}{% endfor %}", "does not show every message"),
        (
            "{% for m in messages %}{{ m.content[:8] }}99z{{ m.content }}{% endfor %}",
            "does not show every message",
        ),
        ("{{ messages.missing.thing }}", "no attribute 'missing'"),
        ("{{ messages.append(1) }}", "unsafe|not safely callable"),
        ("{{ raise_exception.__globals__.os }}", "unsafe"),
        ("{% set n = namespace() %}{% set n.__call__ = 1 %}", "own variable"),
        ("{{ namespace(__call__=1) }}", "own variable"),
        ("{% for a in range(10 ** 9) %}{% endfor %}", "Range too big"),
        ("{% include 'other' %}", "loader"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_in_one_line(source: str, reason: str) -> None:
    with pytest.raises(BundleError, match=reason) as refused:
        template(source)
    assert "\n" not in str(refused.value)
    assert "chat template" in refused.value.what
    assert refused.value.hint


def test_a_template_that_raises_on_a_long_conversation_is_an_error() -> None:
    compiled = template(
        CHATML + "{% if messages | length > 60 %}{{ raise_exception('too long') }}{% endif %}"
    )
    with pytest.raises(BundleError, match="too long"):
        chat_prompt_ids(replace(ASKED, turns=ASKED.turns * 90), "planner", compiled, Letters())


def test_templates_get_the_variables_they_use() -> None:
    program = CompiledTemplate(
        "{% generation %}{% for n in [1, 2, 3] %}{% if n == 2 %}{% break %}{% endif %}{{ n }}{% endfor %}"
        "{% endgeneration %}{% set ns = namespace(at=1) %}{% set ns.at = ns.at + 1 %}{{ ns.at }}"
        "{{ {'a': '<é>'} | tojson }}{{ dict(a=1) | tojson(indent=1, separators=(',', ':')) }}"
    )
    assert program.render({}) == '12{"a": "<é>"}{\n "a":1\n}'
