"""The grammars of the roles: what a role can generate is exactly what its turn may be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from grammar_turns import can_write, end_token

from agent.errors import EngineError, InputError
from agent.llama.binding.model import Vocabulary
from agent.llama.grammar.constraints import BRIEF_THOUGHT, BRIEF_WORDS, MAX_THOUGHT, Constraints
from agent.llama.grammar.grounding import atoms
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    Transcript,
    Turn,
    UserTurn,
    parse_calls,
    parse_planner,
)

COUNT = ToolSpec(
    "count",
    "Count.",
    {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 20},
            "unit": {"enum": ["words", "lines"]},
        },
        "required": ["text"],
    },
)
CLOCK = ToolSpec("clock", "Time.", {"type": "object", "properties": {}})


@pytest.fixture(scope="module")
def constraints(vocabulary: Vocabulary) -> Constraints:
    return Constraints(vocabulary.grammar_tokenizer(end_token(vocabulary)))


@pytest.fixture(scope="module")
def end(vocabulary: Vocabulary) -> int:
    return end_token(vocabulary)


PLANNER = [
    ("I add it.\nNext: caller", True, False),
    ("I say it.\nNext: summarizer", True, True),
    ("No tool can.\nNext: give up", True, True),
    ("Café ☕ 1 + 2\nNext: give up", True, True),
    ("x" * MAX_THOUGHT + "\nNext: give up", True, True),
    ("x" * (MAX_THOUGHT + 1) + "\nNext: give up", False, False),
    ("Next: caller", False, False),
    ("Two\nlines\nNext: summarizer", False, False),
    ("Two  spaces\nNext: summarizer", True, True),
    ("Many" + " " * 9 + "spaces\nNext: summarizer", False, False),
    ("A tab\there\nNext: summarizer", False, False),
    ("I say it.\nNext: planner", False, False),
    ("I say it.\nNext: summarizer\n", False, False),
    ("I say it.", False, False),
]


@pytest.mark.parametrize(("text", "with_tools", "without"), PLANNER)
def test_the_planner_writes_a_thought_and_one_of_three_endings(
    constraints: Constraints, vocabulary: Vocabulary, end: int, text: str, with_tools: bool, without: bool
) -> None:
    offered = constraints.start("planner", Transcript((COUNT,)))
    assert can_write(offered, text, vocabulary) == with_tools
    assert not with_tools or parse_planner(text)
    assert can_write(constraints.start("planner", Transcript()), text, vocabulary) == without


@pytest.mark.parametrize(
    ("thought", "allowed"),
    [
        ("x" * BRIEF_THOUGHT, True),
        ("x" * (BRIEF_THOUGHT + 1), False),
        (" ".join(["x"] * BRIEF_WORDS), True),
        (" ".join(["x"] * (BRIEF_WORDS + 1)), False),
    ],
)
def test_a_brief_thought_is_a_few_words(
    constraints: Constraints, vocabulary: Vocabulary, end: int, thought: str, allowed: bool
) -> None:
    constraint = constraints.start("planner", Transcript((COUNT,)), brief=True)
    assert can_write(constraint, f"{thought}\nNext: caller", vocabulary) == allowed


CALLER = [
    ('{"name":"count","arguments":{"text":"a \\"b\\" é"}}', True),
    ('{"name":"count","arguments":{"text":"a","limit":20,"unit":"lines"}}', True),
    ('{"name":"clock","arguments":{}}', True),
    ('{"name":"clock","arguments":{}}\n{"name":"count","arguments":{"text":""}}', True),
    ("\n".join(['{"name":"clock","arguments":{}}'] * 4), True),
    ("\n".join(['{"name":"clock","arguments":{}}'] * 5), False),
    ('{"name":"clock","arguments":{}}\n', False),
    ('{"name":"clocks","arguments":{}}', False),
    ('{"name":"clock","arguments":{"zone":"x"}}', False),
    ('{"name":"count","arguments":{}}', False),
    ('{"name":"count","arguments":{"text":"a","limit":21}}', False),
    ('{"name":"count","arguments":{"text":"a","limit":"3"}}', False),
    ('{"name":"count","arguments":{"text":"a","unit":"bytes"}}', False),
    ('{"name":"count","arguments":{"text":"a","other":1}}', False),
    ('{"name": "clock","arguments":{}}', False),
    ('{"arguments":{},"name":"clock"}', False),
    ("I call clock.", False),
    ("", False),
]


@pytest.mark.parametrize(("text", "allowed"), CALLER)
def test_the_caller_writes_calls_that_fit_the_tools(
    constraints: Constraints, vocabulary: Vocabulary, end: int, text: str, allowed: bool
) -> None:
    constraint = constraints.start("caller", Transcript((COUNT, CLOCK)))
    assert can_write(constraint, text, vocabulary) == allowed
    assert not allowed or parse_calls(text)


def test_references_and_nested_objects_are_enforced(
    constraints: Constraints, vocabulary: Vocabulary, end: int
) -> None:
    point = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    parameters = {
        "type": "object",
        "properties": {"points": {"type": "array", "items": {"$ref": "#/$defs/Point"}}},
        "required": ["points"],
        "$defs": {"Point": point},
    }
    transcript = Transcript((ToolSpec('dr"aw', "Draw.", parameters), CLOCK))

    def allowed(points: Any) -> bool:
        text = json.dumps({"name": 'dr"aw', "arguments": {"points": points}}, separators=(",", ":"))
        return can_write(constraints.start("caller", transcript), text, vocabulary)

    assert allowed([{"x": 1}, {"x": -2}])
    assert not allowed([{"x": 1, "y": 2}])
    assert not allowed([{"x": "1"}])


def test_the_common_prefix_of_all_tools_is_forced(constraints: Constraints, vocabulary: Vocabulary) -> None:
    constraint = constraints.start("caller", Transcript((COUNT,)))
    forced = constraint.forced_tokens()
    text = b"".join(map(vocabulary.piece, forced)).decode()
    assert text.startswith('{"name":"count","arg')
    assert vocabulary.tokenize(text, False) == forced
    assert all(map(constraint.allows, forced[:1]))


@pytest.mark.parametrize(
    "broken", [{"type": "string", "pattern": "(?=a)b"}, {"not": {"type": "string"}}, {"$ref": "#/nowhere"}]
)
def test_a_tool_whose_parameters_cannot_be_compiled_is_named(
    constraints: Constraints, broken: dict[str, Any]
) -> None:
    bad = ToolSpec("strange", "", {"type": "object", "properties": {"a": broken}})
    with pytest.raises(InputError, match=r"the tool strange .*--tools") as caught:
        constraints.start("caller", Transcript((CLOCK, bad)))
    assert "\n" not in str(caught.value)


def test_a_caller_without_tools_is_an_internal_error(constraints: Constraints) -> None:
    with pytest.raises(EngineError, match="no tools are on offer"):
        constraints.start("caller", Transcript())


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("It is 42.", True), ("a\n\tb — ☕ <|im_end|>", True), ("", False), ("\n", False), ("a\x1b[31m", False)],
)
def test_the_summarizer_writes_plain_text(
    constraints: Constraints, vocabulary: Vocabulary, end: int, text: str, allowed: bool
) -> None:
    assert can_write(constraints.start("summarizer", Transcript()), text, vocabulary) == allowed


@pytest.mark.parametrize("role", ["planner", "caller", "summarizer"])
def test_no_control_token_but_the_end_is_ever_allowed(
    constraints: Constraints, vocabulary: Vocabulary, end: int, role: Any
) -> None:
    control = [token for token in range(vocabulary.size) if vocabulary.is_control(token)]
    random = np.random.default_rng(5)
    constraint = constraints.start(role, Transcript((COUNT, CLOCK), (UserTurn("12"),)), grounded=True)
    for _ in range(60):
        mask = constraint.mask()
        assert [token for token in control if mask[token]] in ([], [end])
        assert bool(mask[end]) == constraint.may_end == constraint.allows(end)
        choices = [int(token) for token in np.flatnonzero(mask) if token != end]
        if not choices:
            break
        constraint.accept(int(random.choice(choices)))
        if constraint.must_end:
            break


def test_a_token_that_is_not_allowed_cannot_be_accepted(
    constraints: Constraints, vocabulary: Vocabulary
) -> None:
    constraint = constraints.start("caller", Transcript((CLOCK,)))
    with pytest.raises(EngineError):
        constraint.accept(vocabulary.tokenize("x", False)[0])


GROUND: Sequence[Turn] = (
    UserTurn("What is 99 times 2?"),
    PlannerTurn("88 it is.", "summarizer"),
    SummarizerTurn("It is 77."),
    UserTurn("What is 17.5% of 240 on 2026-01-02, in report2.txt?"),
    PlannerTurn("I use 66.", "caller"),
    CallerTurn((Call("calculate", {"expression": "2 * 33"}),)),
    ToolTurn("calculate", "42"),
    ToolTurn("days_between", "-3 days at 10:30, 1,234.5 in notes.txt:12: 5km of docs/2025/a-7.md"),
    ToolTurn("add_days", "no day 31", error=True),
)
GROUNDED = [
    ("17.5% of 240 is 42.", True),
    ("42", True),
    ("(42), $42, **42** and 42km", True),
    ("- 42\n- 240", True),
    ("In report2.txt: 1,234.5 on 2026-01-02 at 10:30.", True),
    ("It was -3; docs/2025/a-7.md says 5 km, or 5km", True),
    ("notes.txt:12 and day 31", True),
    ("It is a lot.", True),
    ("Of what was asked before: 99 and 2", True),
    ("Erik,42,240", False),
    ("Erik,42,Rome", True),
    ("report2.txt:42: x", True),
    ("report2.txt:43: x", False),
    ("It is 992.", False),
    ("It is 43.", False),
    ("It is 4.", False),
    ("It is 42.5.", False),
    ("It is 42,240.", False),
    ("It is 42240.", False),
    ("It is -42.", False),
    ("It is .42", False),
    ("It is 42:31", False),
    ("It is x42", False),
    ("It is 3.", False),
    ("It is 1,234", False),
    ("It is 2026-01", False),
    ("It is 88, 77 or 66", False),
    ("It is 42²", False),
    ("It is ½", False),
    ("It is ٤", False),
]


@pytest.mark.parametrize(("text", "allowed"), GROUNDED)
def test_a_grounded_answer_has_only_digits_from_its_sources(
    constraints: Constraints, vocabulary: Vocabulary, end: int, text: str, allowed: bool
) -> None:
    constraint = constraints.start("summarizer", Transcript((), tuple(GROUND)), grounded=True)
    assert can_write(constraint, text, vocabulary) == allowed


def test_without_numbers_in_the_sources_no_digit_can_be_written(
    constraints: Constraints, vocabulary: Vocabulary, end: int
) -> None:
    transcript = Transcript((), (UserTurn("hello"),))
    assert can_write(constraints.start("summarizer", transcript, grounded=True), "Hello, you.", vocabulary)
    for digit in "0123456789":
        constraint = constraints.start("summarizer", transcript, grounded=True)
        assert not can_write(constraint, f"Hello {digit}", vocabulary)


def test_a_file_of_a_listed_folder_can_be_named_once_it_was_read(
    constraints: Constraints, vocabulary: Vocabulary, end: int
) -> None:
    listed = (
        UserTurn("read the first file in minutes"),
        CallerTurn((Call("list_files", {"path": "minutes"}),)),
        ToolTurn("list_files", "2030-10 council.md"),
        CallerTurn((Call("read_file", {"path": "minutes/2030-10 council.md"}),)),
    )
    for result, allowed in (
        (ToolTurn("read_file", "Present: all"), True),
        (ToolTurn("read_file", "", True), False),
    ):
        constraint = constraints.start("summarizer", Transcript((), (*listed, result)), grounded=True)
        assert can_write(constraint, "minutes/2030-10 council.md says:\nPresent: all", vocabulary) == allowed


def test_every_number_of_a_long_observation_can_be_written(
    constraints: Constraints, vocabulary: Vocabulary, end: int
) -> None:
    random = np.random.default_rng(1)
    numbers = [f"{number:.3f}" for number in random.uniform(-1e6, 1e6, 2000)]
    transcript = Transcript((), (UserTurn("list"), ToolTurn("read_file", "\n".join(numbers))))
    for number in numbers[:25]:
        constraint = constraints.start("summarizer", transcript, grounded=True)
        assert can_write(constraint, f"It is {number}.", vocabulary)


@pytest.mark.parametrize(
    ("text", "numbers", "words"),
    [
        ("goals,minutes\n58,720", {"58,720", "58", "720"}, set()),
        ("goals: many, minutes:\n1,720", {"1,720", "1", "720"}, set()),
        ("goals and minutes\n58,720", {"58,720"}, set()),
        ("10-5 and 10/2", {"10-5", "10/2", "10", "5", "2"}, set()),
        ("2026-01-02T03:04:05+00:00", {"2026-01-02T03:04:05+00:00", "2026-01-02", "03:04:05"}, set()),
        ("5e3 -2.5e-7", {"5e3", "-2.5e-7"}, set()),
        ('{"n":42,"f":"v1.2"}', {"42"}, {"v1.2"}),
        ("x=5; 7-3=4; -5", {"5", "7-3", "7", "3", "4", "-5"}, set()),
        ("61+452.46", {"61+452.46", "61", "452.46"}, set()),
        ("UTC+2, UTC-3", set(), {"UTC+2", "UTC-3"}),
        ("2024-plan.md", {"2024-plan.md", "2024"}, set()),
        ("S-01,moss,12.4,6.1", {"12.4,6.1", "12.4", "6.1"}, {"S-01"}),
        ("K-39,4,Mon", {"4"}, {"K-39,4", "K-39"}),
        ("a,b,1,234.5", {"1,234.5"}, set()),
        ("12,5 euros", {"12,5"}, set()),
    ],
)
def test_atoms_of_a_text(text: str, numbers: set[str], words: set[str]) -> None:
    found = atoms([text])
    assert (set(found.numbers), set(found.words)) == (numbers, words)


@pytest.mark.parametrize(
    "call",
    [
        Call("clock", {}),
        Call("count", {"text": ""}),
        Call("count", {"text": 'say "hi" \\ now\n'}),
        Call("count", {"text": "a: b, {c}", "limit": 12, "unit": "lines"}),
        Call("count", {"text": "a long one. " * 20, "unit": "words"}),
    ],
)
def test_forced_and_probable_text_is_that_of_every_call(
    constraints: Constraints, vocabulary: Vocabulary, call: Call
) -> None:
    """Writing the call one token by one, with what is forced written without a look at it."""
    constraint = constraints.start("caller", Transcript((CLOCK, COUNT), (UserTurn("go"),)))
    rest, forced = call.line().encode(), 0
    while rest:
        assert rest.startswith(constraint.probable_text().encode())
        tokens = constraint.forced_tokens()
        forced += len(tokens)
        for token in tokens or vocabulary.tokenize(rest.decode(), False)[:1]:
            constraint.accept(token)
            assert rest.startswith(vocabulary.piece(token))
            rest = rest.removeprefix(vocabulary.piece(token))
    assert constraint.may_end
    assert forced >= 8


def test_a_text_is_not_forced_where_alternatives_exist(constraints: Constraints) -> None:
    constraint = constraints.start("planner", Transcript((CLOCK,), (UserTurn("go"),)))
    assert not constraint.forced_tokens()
    assert not constraint.probable_text()
