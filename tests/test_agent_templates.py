"""Chat templates of untrusted files: their time and memory are limited, and their reach."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from chat_templates import CHATML
from hostile_templates import BROKEN, COSTLY

from agent.errors import BundleError
from agent.prompting.chat_template import ChatTemplate
from agent.templates import program
from agent.templates.program import TemplateLimitError, TemplateProgram

COSTLY_NAMES = list(COSTLY) if os.environ.get("UMI_HOSTILE") else list(COSTLY)[::6]
"""One in six: each ends a process, whose start takes longer than the limit that is tested here."""


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(program, "SECONDS", 0.05)
    monkeypatch.setattr(program, "ALL_SECONDS", 0.1)
    yield
    program._worker.close()


def test_there_are_many_hostile_templates() -> None:
    assert len(COSTLY) >= 60
    assert len(BROKEN) >= 15


@pytest.mark.parametrize("name", COSTLY_NAMES)
@pytest.mark.usefixtures("short_limits")
def test_a_costly_template_is_refused(name: str) -> None:
    reason = r"it (takes more than .* of (processor time|memory)|writes more than)"
    with pytest.raises(TemplateLimitError, match=reason) as caught:
        ChatTemplate(COSTLY[name], bos="<s>", eos="</s>")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.usefixtures("short_limits")
def test_a_broken_template_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(BundleError) as caught:
        ChatTemplate(BROKEN[name], bos="<s>", eos="</s>")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_the_time_of_all_renderings_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    template = TemplateProgram("{% for i in range(n) %}{% endfor %}done")
    monkeypatch.setattr(program, "ALL_SECONDS", 0.3)
    monkeypatch.setattr(program, "EACH_SECONDS", 0.0001)
    assert template.render({"n": 10}) == "done"

    def render_often() -> None:
        for _ in range(1000):  # each alone is within the limit
            template.render({"n": 100_000})

    with pytest.raises(TemplateLimitError):
        render_often()


def test_after_a_costly_template_others_work() -> None:
    template = TemplateProgram("{{ 'x' * n }}")
    with pytest.raises(TemplateLimitError, match="256 MB of memory"):
        template.render({"n": 10**10})
    assert template.render({"n": 3}) == "xxx"
    program._worker.close()
    assert template.render({"n": 2}) == "xx"
    assert ChatTemplate(CHATML).stable


def test_a_template_may_be_used_from_several_threads() -> None:
    template = TemplateProgram("{{ n }}")
    shown: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda n=n: shown.__setitem__(n, template.render({"n": n}))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown == {n: str(n) for n in range(8)}
