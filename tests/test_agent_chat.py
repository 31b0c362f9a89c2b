"""Stock instruct models: what a conversation is to them, token by token."""

from __future__ import annotations

import json
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
    HEADERS,
    INST,
    LISTED,
    LOOK,
    NATIVE,
    OBJECT,
    SEEN,
    STEPS,
    STRICT,
    TAGS,
    TEMPLATES,
    TEXTUAL,
    Letters,
    examples,
    prompts,
    shown,
)

from agent.bundle import Bundle
from agent.llama.binding.model import Model
from agent.prompting import segment
from agent.prompting.chat import ChatPrompts
from agent.prompting.chat_messages import system_text
from agent.prompting.encoding import common_length
from agent.transcript import PlannerTurn, SummarizerTurn, ToolSpec, Transcript, UserTurn


@pytest.fixture(params=TEMPLATES)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def task(source: str, transcript: Transcript = ANSWERED) -> str:
    return system_text(transcript, prompts(source).template.style)


def test_calls_and_results_stand_in_the_models_own_markup() -> None:
    assert shown(TAGS, ANSWERED) == (
        f"<|im_start|>system\n{task(TAGS)}\n\nFunctions:\n"
        '{"type": "function", "function": {"name": "look", "description": "Look it up.", "parameters": '
        '{"type": "object", "properties": {"at": {"type": "string"}}}}}<|im_end|>\n'
        + examples("<|im_start|>user\n{}<|im_end|>\n", "<|im_start|>assistant\n{}<|im_end|>\n")
        + "<|im_start|>user\nWhere is it?<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "look", "arguments": {"at": "here"}}\n</tool_call>'
        "<|im_end|>\n"
        "<|im_start|>user\n<tool_response>\nit is here\n</tool_response><|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "look", "arguments": {"at": "there"}}\n</tool_call>'
        "<|im_end|>\n"
        "<|im_start|>user\n<tool_response>\nerror: no such place\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\nIt is here.<|im_end|>\n"
        "<|im_start|>user\nMove it.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("source", "call", "result"),
    [
        (OBJECT, '\n\n{"name": "look", "parameters": {"at": "here"}}<|eot_id|>', '"it is here"<|eot_id|>'),
        (LISTED, '<|tool_call|>[{"name": "look", "arguments": {"at": "here"}}]', "<|end_of_role|>it is here"),
        (TEXTUAL, '<tool_call>[{"name": "look", "arguments": {"at":"here"}}]</tool_call>', "it is here\n</"),
        (CHATML, 'assistant\n{"name": "look", "arguments": {"at": "here"}}<|im_end|>', "tool\nit is here<"),
        (STRICT, 'model\n{"name": "look", "arguments": {"at": "here"}}<end', "Result of look:\nit is here<"),
    ],
)
def test_each_family_shows_calls_and_results_in_its_own_way(source: str, call: str, result: str) -> None:
    text = shown(source, SEEN)
    assert text.index(call) < text.index(result)


def test_a_template_without_tools_describes_them_in_the_system_message() -> None:
    system = task(CHATML)
    assert LOOK.line() in system
    assert '{"name": "the function", "arguments":' in system
    assert shown(CHATML, ASKED).startswith(f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n")


def test_a_template_without_system_and_tool_roles_alternates_user_and_model() -> None:
    assert shown(STRICT, ANSWERED) == (
        f"<s><start_of_turn>user\n{task(STRICT)}\n\n"
        + examples("<start_of_turn>user\n{}<end_of_turn>\n", "<start_of_turn>model\n{}<end_of_turn>\n")[
            len("<start_of_turn>user\n") :
        ]
        + "<start_of_turn>user\nWhere is it?<end_of_turn>\n"
        '<start_of_turn>model\n{"name": "look", "arguments": {"at": "here"}}<end_of_turn>\n'
        "<start_of_turn>user\nResult of look:\nit is here<end_of_turn>\n"
        '<start_of_turn>model\n{"name": "look", "arguments": {"at": "there"}}<end_of_turn>\n'
        "<start_of_turn>user\nResult of look:\nerror: no such place<end_of_turn>\n"
        "<start_of_turn>model\nIt is here.<end_of_turn>\n"
        "<start_of_turn>user\nMove it.<end_of_turn>\n"
        "<start_of_turn>model\n"
    )


def test_a_longer_conversation_begins_with_a_shorter_one(kind: str) -> None:
    tokenize = Letters()
    chat = prompts(TEMPLATES[kind], tokenize)
    assert chat.template.stable
    for old, new in pairwise(STEPS):
        before, after = chat.prompt(old), chat.prompt(new)
        last = segment(old.turns[-1]).content
        kept = tokenize.text(before[: common_length(before, after)])
        assert last in kept


def test_planning_changes_no_token(kind: str) -> None:
    """The planner's, the caller's and the summarizer's prompt are one, so that none is read twice."""
    chat = prompts(TEMPLATES[kind])
    for transcript in STEPS:
        for next_ in ("caller", "summarizer"):
            assert chat.prompt(transcript.plus(PlannerTurn("", next_))) == chat.prompt(transcript)


def test_every_prompt_begins_with_the_system_ids(kind: str) -> None:
    tokenize = Letters()
    chat = prompts(TEMPLATES[kind], tokenize)
    for instruction in ("", "Answer in rhyme."):
        asked = replace(ASKED, instruction=instruction)
        begins = chat.system_ids(asked)
        assert '"look"' in tokenize.text(begins)
        assert instruction in tokenize.text(begins)
        assert "Where" not in tokenize.text(begins)
        for transcript in STEPS:
            assert chat.prompt(replace(transcript, instruction=instruction))[: len(begins)] == begins


def test_a_tokenizer_that_begins_texts_with_a_space_adds_none() -> None:
    for source in (INST, STRICT):
        plain, spaced = Letters(), Letters(" ")
        expected = plain.text(prompts(source, plain).prompt(ANSWERED))
        assert spaced.text(prompts(source, spaced).prompt(ANSWERED)) == expected


def test_text_between_control_tokens_is_tokenized_at_once() -> None:
    """So that a harmless conversation has the ids that tokenizing its whole text gives."""
    seen: list[tuple[str, bool]] = []
    tokenize = Letters()

    class Watched(Letters):
        def __call__(self, text: str, special: bool) -> list[int]:
            seen.append((text, special))
            return tokenize(text, special)

    ids = prompts(TAGS, Watched()).prompt(ANSWERED)
    assert ("\nuser\nWhere is it?", False) in seen
    assert ("\n\n<tool_response>\nit is here\n</tool_response>", False) not in seen  # control tokens
    assert ("\n\nit is here\n", False) in seen
    assert ids == tokenize(shown(TAGS, ANSWERED), True)


def test_giving_up_is_followed_by_the_next_question() -> None:
    assert "assistant\nNo tool can move things.<|im_end|>\n<|im_start|>user\nA pity.<|im_end|>" in shown(
        CHATML, GIVEN_UP
    )


@pytest.mark.parametrize("source", [CHATML, TAGS])
def test_a_standing_instruction_is_part_of_the_system_message(source: str) -> None:
    text = shown(source, replace(ASKED, instruction="Answer in rhyme."))
    assert "\n\nAnswer in rhyme." in text.partition("<|im_end|>")[0]
    assert text.count("<|im_start|>system") == 1


def test_questions_that_follow_each_other_are_one_message() -> None:
    asked = Transcript((), (UserTurn("Wait."), UserTurn("Where is it?")))
    assert "user\nWait.\n\nWhere is it?<|im_end|>" in shown(CHATML, asked)


def test_tools_are_listed_in_a_fixed_order(kind: str) -> None:
    other = ToolSpec("find", "Find it.", {"type": "object", "properties": {}})
    source = TEMPLATES[kind]
    assert shown(source, replace(ASKED, tools=(LOOK, other))) == shown(
        source, replace(ASKED, tools=(other, LOOK))
    )


def test_without_tools_no_call_is_offered(kind: str) -> None:
    text = shown(TEMPLATES[kind], replace(ASKED, tools=()))
    assert "function" not in text.casefold()
    assert "Where is it?" in text


def test_texts_keep_their_blanks_where_a_template_trims() -> None:
    assert "\n\n  two\n spaces  <|eot_id|>" in shown(HEADERS, Transcript((), (UserTurn("  two\n spaces  "),)))


def test_a_prompt_has_one_bos() -> None:
    for source in (HEADERS, STRICT, INST, FORGETFUL, OBJECT):
        assert shown(source, ANSWERED).startswith("<s>")
        assert shown(source, ANSWERED).count("<s>") == 1


def test_arguments_of_any_kind_are_shown_as_json(kind: str) -> None:
    arguments = {"at": 'a "b"\n<x> é', "deep": {"list": [1, 2.5, None, True, "two words"]}, "empty": ""}
    called = json.dumps(arguments, ensure_ascii=False)
    turns = list(SEEN.turns)
    turns[2] = replace(turns[2], calls=(replace(turns[2].calls[0], arguments=arguments),))  # type: ignore[union-attr]
    text = shown(TEMPLATES[kind], replace(SEEN, turns=(*turns[:4],)))
    written = text[text.index('{"at": "a' if '{"at": "a' in text else '{"at":"a') :]
    assert json.JSONDecoder().raw_decode(written)[0] == json.loads(called)


@pytest.mark.parametrize("kind", NATIVE)
def test_what_follows_a_prompt_begins_as_the_history_shows_it(kind: str) -> None:
    tokenize = Letters()
    chat = prompts(NATIVE[kind], tokenize)
    asked, opening = chat.prompt(ASKED), chat.call_openings(ASKED)["look"]
    assert chat.prompt(SEEN)[: len(asked) + len(opening)] == asked + opening
    answered = chat.prompt(ASKED.plus(SummarizerTurn("There."), UserTurn("Thanks.")))
    assert tokenize.text(answered).startswith(tokenize.text(asked + chat.answer_opening()) + "There.")


def test_llama_cpp_tokenizes_a_chat_as_rendered(tiny_bundle: Bundle) -> None:
    model = Model(tiny_bundle.path("planner"))
    try:
        vocabulary = model.vocabulary
        chat = ChatPrompts(prompts(TAGS).template, vocabulary.tokenize)
        whole = "".join(piece.text for piece in chat.template.pieces(ANSWERED))
        assert chat.prompt(ANSWERED) == vocabulary.tokenize(whole, True)
        read = b"".join(map(vocabulary.piece, chat.prompt(ANSWERED))).decode()
        assert read == re.sub(r"<\|im_(start|end)\|>", "", whole)
        assert CONTROL.search(whole)
    finally:
        model.close()
