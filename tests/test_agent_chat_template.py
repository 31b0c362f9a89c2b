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
    GROUPED,
    INST,
    LATE,
    LATEST,
    LISTED,
    OBJECT,
    STRICT,
    TAGS,
    TEMPLATES,
    TEXTUAL,
    prompts,
    shown,
    template,
)

from agent.errors import BundleError
from agent.prompting.call_markup import PLAIN, CallMarkup
from agent.prompting.chat import check_template
from agent.templates.program import TemplateProgram
from agent.transcript import Transcript

STYLES = {"strict": (False, False), "INST": (False, False)}
"""Templates without a system message, and without tool messages; all others have both."""
MARKUP = {
    "tags": CallMarkup('<tool_call>\n{"name": "', '", "arguments": '),
    "object": CallMarkup('{"name": "', '", "parameters": '),
    "listed": CallMarkup('<|tool_call|>[{"name": "', '", "arguments": '),
    "textual": CallMarkup('<tool_call>[{"name": "', '", "arguments": ', ",", ":"),
}


@pytest.fixture(params=TEMPLATES)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_each_template_gets_the_messages_it_can_render(kind: str) -> None:
    style = template(TEMPLATES[kind]).style
    assert (style.system, style.results) == STYLES.get(kind, (True, True))
    assert style.markup == MARKUP.get(kind)
    assert template(TEMPLATES[kind]).markup == MARKUP.get(kind, PLAIN)


def test_a_call_that_is_no_json_is_no_markup() -> None:
    source = TAGS.replace("c.function.arguments | tojson", "c.function.arguments | length")
    assert template(source).style.markup is None
    source = TAGS.replace("c.function.name", "'look'")
    assert template(source).style.markup is None


def test_calls_without_tools_are_no_markup() -> None:
    """A template that shows calls and no tools would leave a model without any to call."""
    assert template(TAGS.replace("'\n' + t | tojson", "'\n'")).style.markup is None


def test_a_call_with_more_than_a_name_and_arguments_is_recognized() -> None:
    source = TAGS.replace("{{ '}\n</tool_call>' }}", "{{ ', \"id\": \"' + c.id + '\"}\n</tool_call>' }}")
    assert template(source).markup == MARKUP["tags"]
    assert '{"at": "here"}, "id": "call00008"}' in shown(source, ANSWERED)


def test_indented_arguments_are_written_in_one_line() -> None:
    indented = template(TAGS.replace("arguments | tojson", "arguments | tojson(indent=2)")).markup
    assert indented == MARKUP["tags"]


def test_a_prompt_ends_where_the_model_begins_to_write() -> None:
    assert shown(CHATML, ASKED).endswith("<|im_end|>\n<|im_start|>assistant\n")
    assert shown(INST, ASKED).endswith(" [/INST] ")
    assert shown(CHANNELS, ASKED).endswith("<|end|><|start|>assistant<|channel|>final<|message|>")
    assert shown(FORGETFUL, ASKED).endswith("<|assistant|><think>\n\n</think>\n\n")
    assert "<think>" not in shown(FORGETFUL, ANSWERED).removesuffix("<think>\n\n</think>\n\n")


def test_a_thought_before_a_call_is_no_markup() -> None:
    closed = "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}"
    source = TAGS[: TAGS.index("{% if add_generation_prompt")] + closed
    assert template(source).markup == MARKUP["tags"]
    assert template(source).answer_opening == ""


def test_an_answer_may_open_otherwise_than_a_call() -> None:
    source = TAGS.replace("'\n' + m.content", "'<|channel|>\n' + m.content").replace(
        "<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant{% endif %}"
    )
    compiled = template(source)
    assert compiled.markup.before == '\n<tool_call>\n{"name": "'
    assert compiled.answer_opening == "<|channel|>\n"


def test_an_empty_conversation_is_rendered(kind: str) -> None:
    assert template(TEMPLATES[kind]).pieces(Transcript())


@pytest.mark.parametrize("source", [DATED, OBJECT])
def test_a_date_is_the_same_every_day(source: str) -> None:
    assert "01 Jan 2025" in shown(source, ASKED)


@pytest.mark.parametrize("source", [LATEST, LATE])
def test_a_template_that_rewrites_messages_still_renders_all_of_them(source: str) -> None:
    chat = prompts(source)
    assert not chat.template.stable
    assert "Where is it?" in shown(source, ANSWERED)
    assert any(line.startswith("earlier messages change") for line in check_template(chat))


def test_tools_that_move_are_read_where_the_template_puts_them() -> None:
    text = shown(LATE, ANSWERED)
    assert text.index("It is here.") < text.index("[AVAILABLE_TOOLS]") < text.index("[INST]Move it.")


def test_a_system_message_that_moves_is_joined_to_the_first_user_message() -> None:
    assert template(INST).stable
    assert shown(INST, ANSWERED).startswith("<s>[INST] You are umi")
    assert "\n\nHey [/INST] Hello!" in shown(INST, ANSWERED)


NO_TOOLS = "it shows no tools or no calls"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (TAGS, []),
        (OBJECT, []),
        (LISTED, []),
        (TEXTUAL, []),
        (CHATML, [NO_TOOLS]),
        (GROUPED, [NO_TOOLS]),
        (STRICT, [NO_TOOLS, "no system role", "no tool role"]),
        (FORGETFUL, [NO_TOOLS, "the template opens a thought"]),
        (
            CHATML.replace("<|im_start|>", "### ").replace("<|im_end|>", "\n"),
            [NO_TOOLS, "messages are divided by plain text"],
        ),
    ],
)
def test_a_template_is_described(source: str, expected: list[str]) -> None:
    lines = check_template(prompts(source))
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
        compiled.pieces(replace(ANSWERED, turns=ANSWERED.turns * 20))


def test_templates_get_the_variables_they_use() -> None:
    program = TemplateProgram(
        "{% generation %}{% for n in [1, 2, 3] %}{% if n == 2 %}{% break %}{% endif %}{{ n }}{% endfor %}"
        "{% endgeneration %}{% set ns = namespace(at=1) %}{% set ns.at = ns.at + 1 %}{{ ns.at }}"
        "{{ {'a': '<é>'} | tojson }}{{ dict(a=1) | tojson(indent=1, separators=(',', ':')) }}"
    )
    assert program.render({}) == '12{"a": "<é>"}{\n "a":1\n}'
