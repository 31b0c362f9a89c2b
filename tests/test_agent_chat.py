"""Stock instruct models: what a conversation is to them, token by token."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from chat_templates import (
    ANSWERED,
    ASKED,
    CHATML,
    CONTROL,
    FORGETFUL,
    GIVEN_UP,
    GROUPED,
    HEADERS,
    INST,
    LOOK,
    PLANNED,
    SEEN,
    STEPS,
    STRICT,
    TEMPLATES,
    Letters,
    shown,
    template,
)

from agent.bundle import Bundle
from agent.llama.binding.model import Model
from agent.prompting import segment
from agent.prompting.chat import chat_prompt_ids, chat_system_ids
from agent.prompting.chat_text import chat_instruction, chat_system
from agent.transcript import (
    ROLES,
    CallerTurn,
    ToolSpec,
    Transcript,
    UserTurn,
    parse_calls,
    parse_planner,
)


def shared(old: list[int], new: list[int]) -> int:
    return next(
        (at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )


@pytest.fixture(params=TEMPLATES)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_conversation_is_rendered_as_the_template_renders_it() -> None:
    system = "".join(chat_system(ANSWERED))
    assert shown(GROUPED, ANSWERED) == (
        f"<|im_start|>system\n{system}<|im_end|>\n"
        "<|im_start|>user\nWhere is it?<|im_end|>\n"
        "<|im_start|>assistant\nI look in two places.\nNext: caller\n"
        '{"name":"look","arguments":{"at":"here"}}\n{"name":"look","arguments":{"at":"there"}}<|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nit is here\n</tool_response>\n"
        "<tool_response>\nerror: no such place\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\nI know it.\nNext: summarizer<|im_end|>\n"
        "<|im_start|>user\nWrite the answer.<|im_end|>\n"
        "<|im_start|>assistant\nIt is here.<|im_end|>\n"
        "<|im_start|>user\nMove it.<|im_end|>\n"
        f"<|im_start|>user\n{chat_instruction('planner', ANSWERED)}<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )


def test_a_template_without_system_and_tool_roles_alternates_user_and_model() -> None:
    system = "".join(chat_system(ANSWERED))
    assert shown(STRICT, ANSWERED) == (
        f"<s><start_of_turn>user\n{system}\n\nWhere is it?<end_of_turn>\n"
        "<start_of_turn>model\nI look in two places.\nNext: caller\n"
        '{"name":"look","arguments":{"at":"here"}}\n{"name":"look","arguments":{"at":"there"}}<end_of_turn>\n'
        "<start_of_turn>user\nResult of look:\nit is here\n\n"
        "Result of look:\nerror: no such place<end_of_turn>\n"
        "<start_of_turn>model\nI know it.\nNext: summarizer<end_of_turn>\n"
        "<start_of_turn>user\nWrite the answer.<end_of_turn>\n"
        "<start_of_turn>model\nIt is here.<end_of_turn>\n"
        f"<start_of_turn>user\nMove it.\n\n{chat_instruction('planner', ANSWERED)}<end_of_turn>\n"
        "<start_of_turn>model\n"
    )


def test_prompts_share_all_but_the_instruction(kind: str) -> None:
    tokenize, compiled = Letters(), template(TEMPLATES[kind])
    assert compiled.stable
    for (old, role), (new, later) in pairwise(STEPS):
        before = chat_prompt_ids(old, role, compiled, tokenize)
        after = chat_prompt_ids(new, later, compiled, tokenize)
        history = tokenize.text(before).partition(chat_instruction(role, old))[0]
        last = segment(old.turns[-1]).content
        kept = tokenize.text(before[: shared(before, after)])
        assert len(kept) >= history.rindex(last) + len(last)


def test_roles_share_the_history(kind: str) -> None:
    tokenize, compiled = Letters(), template(TEMPLATES[kind])
    prompts = {role: chat_prompt_ids(SEEN, role, compiled, tokenize) for role in ROLES}
    for role in ROLES:
        text = tokenize.text(prompts[role])
        start = text.index(chat_instruction(role, SEEN))
        assert text.count(chat_instruction(role, SEEN)) == 1
        assert all(tokenize.text(other)[:start] == text[:start] for other in prompts.values())
        assert CONTROL.sub("", text[start:]).startswith(chat_instruction(role, SEEN))


def test_every_prompt_begins_with_the_system_ids(kind: str) -> None:
    tokenize, compiled = Letters(), template(TEMPLATES[kind])
    for instruction in ("", "Answer in rhyme."):
        begins = chat_system_ids(replace(ASKED, instruction=instruction), compiled, tokenize)
        assert tokenize.text(begins).endswith(instruction or LOOK.line())
        for transcript, role in STEPS:
            prompt = chat_prompt_ids(replace(transcript, instruction=instruction), role, compiled, tokenize)
            assert prompt[: len(begins)] == begins


def test_a_tokenizer_that_begins_texts_with_a_space_adds_none() -> None:
    for source in (INST, STRICT):
        compiled, plain, spaced = template(source), Letters(), Letters(" ")
        expected = plain.text(chat_prompt_ids(ANSWERED, "planner", compiled, plain))
        assert spaced.text(chat_prompt_ids(ANSWERED, "planner", compiled, spaced)) == expected


def test_a_space_before_a_text_is_tokenized_with_it() -> None:
    seen: list[tuple[str, bool]] = []
    tokenize = Letters()

    def watched(text: str, special: bool) -> list[int]:
        seen.append((text, special))
        return tokenize(text, special)

    chat_prompt_ids(ANSWERED, "planner", template(INST), watched)
    assert ("\n I know it.\nNext: summarizer", False) in seen
    assert ("\n[INST]", True) not in seen  # it follows </s>
    assert any(text.endswith("[INST]") for text, special in seen if special)


def test_turns_of_the_roles_are_unchanged_in_the_history() -> None:
    thought = re.search(r"assistant\n(.*?)<\|im_end\|>", shown(CHATML, PLANNED), re.DOTALL)
    assert thought
    assert parse_planner(thought[1]) == PLANNED.turns[-1]
    both = re.search(r"assistant\n(.*?)<\|im_end\|>", shown(CHATML, SEEN), re.DOTALL)
    assert both
    assert both[1].startswith(f"{thought[1]}\n")
    assert CallerTurn(parse_calls(both[1].removeprefix(f"{thought[1]}\n")) or ()) == SEEN.turns[2]


def test_giving_up_is_followed_by_the_next_question() -> None:
    text = shown(CHATML, GIVEN_UP)
    assert (
        "assistant\nNo tool can move things.\nNext: give up<|im_end|>\n<|im_start|>user\nA pity.<|im_end|>"
        in text
    )


def test_a_standing_instruction_comes_after_the_tools() -> None:
    text = shown(CHATML, replace(ASKED, instruction="Answer in rhyme."))
    assert f"{LOOK.line()}\n\nAnswer in rhyme.<|im_end|>" in text
    assert text.count("<|im_start|>system") == 1


def test_tools_are_listed_in_a_fixed_order() -> None:
    other = ToolSpec("find", "Find it.", {"type": "object", "properties": {}})
    assert shown(CHATML, replace(ASKED, tools=(LOOK, other))) == shown(
        CHATML, replace(ASKED, tools=(other, LOOK))
    )


def test_without_tools_no_call_is_offered() -> None:
    text = shown(CHATML, replace(ASKED, tools=()))
    assert "No tools are on offer." in text
    instruction = text.rpartition("<|im_start|>user\n")[2]
    assert "Next: caller" not in instruction
    assert "Next: summarizer" in instruction
    assert "Next: caller" in shown(CHATML, ASKED).rpartition("<|im_start|>user\n")[2]


def test_texts_keep_their_blanks_where_a_template_trims() -> None:
    assert "\n\n  two\n spaces  <|eot_id|>" in shown(HEADERS, Transcript((), (UserTurn("  two\n spaces  "),)))


def test_a_prompt_has_one_bos() -> None:
    for source in (HEADERS, STRICT, INST, FORGETFUL):
        assert shown(source, ANSWERED).startswith("<s>")
        assert shown(source, ANSWERED).count("<s>") == 1


def test_llama_cpp_tokenizes_a_chat_as_rendered(tiny_bundle: Bundle) -> None:
    model = Model(tiny_bundle.path("planner"))
    try:
        vocabulary = model.vocabulary
        ids = chat_prompt_ids(ANSWERED, "planner", template(CHATML), vocabulary.tokenize)
        read = b"".join(map(vocabulary.piece, ids)).decode()
        assert read == re.sub(r"<\|im_(start|end)\|>", "", shown(CHATML, ANSWERED))
    finally:
        model.close()
