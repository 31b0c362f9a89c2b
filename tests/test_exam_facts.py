"""Whether a text states a fact: numbers, dates, times and words in the forms in which people write them."""

from __future__ import annotations

import pytest

from agent.evaluation.exam.facts import states


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("It is 391.", "391"),
        ("That makes 11,613,900 in total.", "11613900"),
        ("about 11 613 900", "11613900"),
        ("Population: 161'155", "161155"),
        ("You pay €49.95 then", "49.95"),
        ("$1,204", "1204"),
        ("5km", "5"),
        ("there are three of them", "3"),
        ("Twenty-five people", "25"),
        ("none but ninety", "90"),
        ("= 72.42 miles", "72.4205"),
        ("roughly 72.4", "72.4205"),
        ("12346 kg", "12345.678"),
        ("**408** bottles", "408"),
        ("the row S-03,fern,40.2,6.8", "6.8"),
        ("it is -5 now", "-5"),
        ("it is \N{MINUS SIGN}5 now", "-5"),
        ("minus 5 degrees", "-5"),
        ("minus twenty-five", "-25"),
        ("16.90", "16.9"),
        ("3.0", "3"),
        ("17.5%", "17.5"),
        ("2026-04-17 Friday", "2026-04-17"),
        ("the 17th of April, 2026", "2026-04-17"),
        ("April 17, 2026", "2026-04-17"),
        ("on Friday, April 17th", "2026-04-17"),
        ("17 Apr 2026.", "2026-04-17"),
        ("17.04.2026", "2026-04-17"),
        ("17/4/2026", "2026-04-17"),
        ("4/17/2026", "2026-04-17"),
        ("It is 14:05 there", "14:05"),
        ("2:05 pm", "14:05"),
        ("2.05 p.m.", "14:05"),
        ("9:40 in the morning", "09:40"),
        ("5 am", "05:00"),
        ("Saturday 2028-02-19 19:30 America/Sao_Paulo", "19:30"),
        ("found in minutes/2026-03.md:3", "minutes/2026-03.md"),
        ("It\u2019s \u201cteal otter 61\u201d", "teal  otter 61"),
        ("BRUNO pays", "Bruno"),
    ],
)
def test_a_fact_is_found_in_other_words(text: str, fact: str) -> None:
    assert states(text, fact)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("It is 1391.", "391"),
        ("It is 391.5", "391"),
        ("3,910", "391"),
        ("390", "391"),
        ("72.5", "72.4205"),
        ("72", "72.4205"),
        ("5", "-5"),
        ("minus five", "5"),
        ("it is -5 now", "5"),
        ("on 2026-04-05", "5"),
        ("at 14:05", "5"),
        ("version 3.9.1", "3.9"),
        ("sixteen", "6"),
        ("S-03", "3"),
        ("2026-04-18", "2026-04-17"),
        ("April 17, 2027", "2026-04-17"),
        ("7 April 2026", "2026-04-17"),
        ("March 17", "2026-04-17"),
        ("14:55", "14:05"),
        ("2:05 am", "14:05"),
        ("12:05 pm", "02:05"),
        ("2:05 pm", "02:05"),
        ("Brunoy", "Bruno"),
        ("notes.txt.bak", "notes.txt.b"),
        ("", "391"),
    ],
)
def test_a_wrong_text_does_not_state_the_fact(text: str, fact: str) -> None:
    assert not states(text, fact)


def test_one_of_several_suffices() -> None:
    assert states("I cannot find it", ("not there", "cannot find"))
    assert not states("here it is", ("not there", "cannot find"))


def test_a_pattern_stands_for_what_the_run_observed() -> None:
    observations = ["Linux 6.1, x86_64, 2 cores, 24 GB memory"]
    assert states("You have 24 GB.", r"re:(\d+) GB memory", observations)
    assert not states("You have 16 GB.", r"re:(\d+) GB memory", observations)
    assert not states("You have 24 GB.", r"re:(\d+) GB memory", [])
