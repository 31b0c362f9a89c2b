"""Driving the app in tests: typing questions and waiting for what it shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from tui.app.app import UmiApp
from tui.app.approval.approval_prompt import ApprovalPrompt
from tui.app.question_input import QuestionInput
from tui.app.status_line import StatusLine
from tui.setup import LoadedAgent

WAIT = 400
"""The most pauses of 25 ms that a test waits for a condition."""


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail the test if it does not within ten seconds."""
    for _ in range(WAIT):
        if condition():
            return
        await pilot.pause(0.025)
    pytest.fail("it did not happen")


async def ready(pilot: Pilot[None]) -> None:
    """Wait until the app can take a question."""
    await until(pilot, lambda: state(pilot) == "ready")


async def send(pilot: Pilot[None], text: str) -> None:
    """Type and press Enter."""
    pilot.app.query_one(QuestionInput).insert(text)
    await pilot.press("enter")


async def asked(pilot: Pilot[None]) -> ApprovalPrompt:
    """Wait until a question about a call is on the screen and an answer to it counts."""
    await until(pilot, lambda: any(prompt.armed for prompt in pilot.app.query(ApprovalPrompt)))
    return pilot.app.query_one(ApprovalPrompt)


def state(pilot: Pilot[None]) -> str:
    return pilot.app.query_one(StatusLine).state


def texts(pilot: Pilot[None], kind: type) -> list[str]:
    return [block.text for block in pilot.app.query(kind)]


def app_of(opened: LoadedAgent) -> UmiApp:
    return UmiApp(lambda: opened)
