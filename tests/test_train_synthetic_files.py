"""Rows over files: texts that are written, lines that are looked up, and files of a folder."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from synthetic_intents import ALL_INTENTS

from agent.transcript import CallerTurn, PlannerTurn, SummarizerTurn, ToolTurn, Turn
from train.data.phrasings import LOGGED, SIBLINGS, THEMES
from train.data.synthetic.group import make_group
from train.data.synthetic.sampler import Sampler

SEEDS = 60


def turns_of(intent: str, folder: Path, count: int = 4) -> Iterator[list[Turn]]:
    """Yield the turns of some requests of an intent over the built-in tools."""
    made = 0
    for seed in range(SEEDS):
        group = make_group(f"files/{seed}", "train", folder, 1.0, 30, None, 0.0)
        group.sandbox.reset()
        exchanges = group.run(ALL_INTENTS[intent])
        if exchanges is not None:
            made += 1
            yield [turn for turns, _ in exchanges for turn in turns]
        if made == count:
            return


def calls_of(turns: list[Turn]) -> list[tuple[str, dict[str, object]]]:
    return [(c.name, dict(c.arguments)) for t in turns if isinstance(t, CallerTurn) for c in t.calls]


@pytest.mark.parametrize("intent", ["write", "overwrite", "write_lines"])
def test_what_is_to_be_written_is_written_without_a_look_first(intent: str, tmp_path: Path) -> None:
    for turns in turns_of(intent, tmp_path):
        ((name, arguments),) = calls_of(turns)
        assert name == "write_file"
        assert arguments["content"]
        if intent == "write_lines":
            assert "\n" in str(arguments["content"])


def test_a_line_for_a_file_that_is_not_there_is_written_all_the_same(tmp_path: Path) -> None:
    for turns in turns_of("append_new", tmp_path):
        (read, _), (write, arguments) = calls_of(turns)
        assert (read, write) == ("read_file", "write_file")
        assert any(isinstance(turn, ToolTurn) and turn.error for turn in turns)
        assert "\n" not in str(arguments["content"])
        assert not any(isinstance(turn, PlannerTurn) and turn.next == "give up" for turn in turns)


@pytest.mark.parametrize(
    ("intent", "tools"),
    [
        ("search_mark", ["search_text"]),
        ("line_somewhere", ["search_text"]),
        ("constant_value", ["search_text"]),
        ("logged_when", ["search_text"]),
        ("read_in_folder", ["list_files", "read_file"]),
        ("stated_in_folder", ["list_files", "read_file"]),
        ("stated_found_then_note", ["search_text", "add_note"]),
        ("stated_in_listed_notes", ["search_notes", "search_notes"]),
        ("noted_not_in_files", ["search_text", "search_notes"]),
        ("stated_note_add", ["add_note"]),
        ("operation_then_write", ["calculate", "write_file"]),
        ("conversion_then_write", ["convert_units", "write_file"]),
        ("names_then_write", ["list_files", "write_file"]),
        ("note_then_write", ["search_notes", "write_file"]),
        ("cell_asked_somewhere", ["search_text", "read_file"]),
        ("sibling_asked", ["find_files", "read_file"]),
        ("sibling_noted", ["find_files", "read_file", "add_note"]),
        ("stated_in_log", ["search_text"]),
        ("stated_in_logs", ["search_text"]),
        ("only_of_level", ["search_text"]),
        ("find_numbered", ["find_files"]),
        ("find_type_in", ["find_files"]),
    ],
)
def test_each_kind_of_look_up_has_its_tools(intent: str, tools: list[str], tmp_path: Path) -> None:
    found = [[name for name, _ in calls_of(turns)] for turns in turns_of(intent, tmp_path)]
    assert found
    assert all(names == tools for names in found)


def test_no_word_follows_a_text_that_is_to_be_saved() -> None:
    sample = Sampler(random.Random(5), "train")
    assert all(sample.vary("note: {text}").endswith("{text}") for _ in range(200))


def read_and_written(turns: list[Turn]) -> tuple[list[str], list[str]]:
    """Return the lines of a file before and after it was changed."""
    (read, _), (write, arguments) = calls_of(turns)
    assert (read, write) == ("read_file", "write_file")
    old = next(turn.content for turn in turns if isinstance(turn, ToolTurn))
    return old.split("\n"), str(arguments["content"]).split("\n")


def test_a_new_first_line_leaves_the_others(tmp_path: Path) -> None:
    for turns in turns_of("prepend", tmp_path):
        old, new = read_and_written(turns)
        assert new[1:] == old


def test_another_value_changes_one_line(tmp_path: Path) -> None:
    for turns in turns_of("set_value", tmp_path):
        old, new = read_and_written(turns)
        assert [a == b for a, b in zip(old, new, strict=True)].count(False) == 1


def test_a_line_taken_out_is_the_only_one_gone(tmp_path: Path) -> None:
    for turns in turns_of("remove_line", tmp_path):
        old, new = read_and_written(turns)
        assert len(new) == len(old) - 1
        assert set(new) < set(old)


def test_a_numbered_item_is_told_by_its_number(tmp_path: Path) -> None:
    for turns in turns_of("numbered_item", tmp_path):
        thought, answer = turns[-2], turns[-1]
        assert isinstance(thought, PlannerTurn)
        assert isinstance(answer, SummarizerTurn)
        number = thought.content.removeprefix("The line of ").split(" ")[1]
        assert number in answer.content.partition(" says: ")[2]


def test_all_files_that_are_compared_are_read(tmp_path: Path) -> None:
    for turns in turns_of("compared_in_folder", tmp_path):
        (first, _), *reads = calls_of(turns)
        listed = next(turn.content for turn in turns if isinstance(turn, ToolTurn))
        assert first == "list_files"
        assert [str(read["path"]).rpartition("/")[2] for _, read in reads] == listed.split("\n")


def test_what_no_text_says_is_looked_for_in_the_names(tmp_path: Path) -> None:
    found = [[name for name, _ in calls_of(turns)] for turns in turns_of("about_somewhere", tmp_path, 12)]
    assert {tuple(names) for names in found} == {("search_text",), ("search_text", "find_files")}


@pytest.mark.parametrize("source", [THEMES, SIBLINGS, LOGGED])
def test_questions_about_lines_name_only_what_the_lines_give(source: dict[str, tuple[str, ...]]) -> None:
    for heading, asked in source.items():
        given = set(re.findall(r"{(\w+)}", heading))
        slots = {line.partition(": ")[0] for line in asked if not line.startswith("* ")}
        assert slots <= given
        assert {slot for line in asked for slot in re.findall(r"{(\w+)}", line)} <= given


def test_a_folder_that_is_to_be_read_is_listed(tmp_path: Path) -> None:
    for turns in turns_of("read_folder", tmp_path):
        assert calls_of(turns)[-1][0] == "list_files"
        assert "is a folder" in str(turns[-1])


def test_a_file_that_is_called_by_its_words_is_found_before_it_is_changed(tmp_path: Path) -> None:
    for turns in turns_of("append_described", tmp_path):
        *finds, (read, _), (write, _) = calls_of(turns)
        assert {name for name, _ in finds} == {"find_files"}
        assert (read, write) == ("read_file", "write_file")
