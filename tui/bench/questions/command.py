"""`umi bench questions`: seconds a question on the development half of the exam, and where they go.

Each question is answered three times, in turn and in another order each time: with drafts, without, and with
drafts after it was typed at `KEYS_A_SECOND` while the models read ahead. Every time begins with the tool list
in the contexts. Where the models have read what was typed so far, the next key comes at once.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter
from typing import Any, Literal

from agent.bundle import Bundle, repair_hint
from agent.checks.calls.call_check import CallCheck
from agent.config import EngineSettings, engine_settings
from agent.consent import Allow, Request
from agent.engine import Choice, Delta, Generated
from agent.errors import InputError
from agent.evaluation.exam.reading import read_exam
from agent.evaluation.exam.running import prepared
from agent.evaluation.exam.schema import Task
from agent.events import Finished, Reading, Usage
from agent.llama.engine import LlamaEngine
from agent.llama.gguf.trial import require_loadable, trial_loads
from agent.loop import Agent, Conversation
from agent.tools import builtin_tools
from agent.transcript import Role, Transcript
from tui.app.chat.read_ahead import PAUSE_S
from tui.bench.machine import machine
from tui.bench.questions.energy import joules
from tui.bench.questions.near_ties import Turn, first_difference, gap, spread
from tui.bench.questions.resuming import resuming_figures
from tui.cli.timings import HEADS, row

QUESTIONS = 50
KEYS_A_SECOND = 6.0
"""Characters that a person types in a second."""
SPREAD_QUESTIONS = 5
"""Questions whose turns tell how much logits depend on how tokens are batched."""

Way = Literal["with drafts", "without drafts", "typed"]
WAYS: tuple[Way, ...] = ("with drafts", "without drafts", "typed")


@dataclass
class Answer:
    """One question, answered in one way."""

    seconds: float
    first_word_seconds: float
    """To the first token of the first thought."""
    usage: Mapping[Role, Usage]
    turns: Sequence[Turn]
    joules: float | None


@dataclass
class RecordingEngine:
    """An engine that keeps what the roles of another wrote, and when the first token came."""

    inner: LlamaEngine
    turns: list[Turn] = field(default_factory=list)
    first_token: float = 0.0

    @property
    def context_length(self) -> int:
        """That of the other engine, as are all other methods that are not described."""
        return self.inner.context_length

    @property
    def grounded_answers(self) -> bool:
        return self.inner.grounded_answers

    @property
    def least_margins(self) -> Mapping[str, float]:
        return self.inner.least_margins

    def room(self, role: Role, transcript: Transcript) -> int:
        return self.inner.room(role, transcript)

    def generate(
        self,
        role: Role,
        transcript: Transcript,
        *,
        cancelled: Callable[[], bool],
        instead_of: Choice | None = None,
        brief: bool = False,
    ) -> Iterator[Reading | Delta | Generated]:
        """Pass on what the other engine generates."""
        for event in self.inner.generate(
            role, transcript, cancelled=cancelled, instead_of=instead_of, brief=brief
        ):
            if isinstance(event, Delta):
                self.first_token = self.first_token or perf_counter()
            if isinstance(event, Generated):
                self.turns.append(Turn(role, transcript, event, instead_of))
            yield event

    def count_tokens(self, text: str) -> int:
        return self.inner.count_tokens(text)

    def read_ahead(self, transcript: Transcript, *, cancelled: Callable[[], bool]) -> bool:
        return self.inner.read_ahead(transcript, cancelled=cancelled)

    def save_state(self, transcript: Transcript) -> None:
        self.inner.save_state(transcript)

    def close(self) -> None:
        self.inner.close()


def bench_questions(bundle: Bundle, *, as_json: bool, threads: int, limit: int = QUESTIONS) -> int:
    """Measure `bundle` on at most `limit` questions and print the figures; progress goes to stderr.

    Raise InputError for a stock model, which drafts and reads ahead as the others, but writes no thoughts.
    """
    if bundle.dialect == "chat":
        raise InputError(f"{bundle.name} is a stock model, which has no thoughts", "measure another bundle")
    settings = replace(engine_settings(), disk=False)
    settings = replace(settings, threads=threads) if threads else settings
    require_loadable(trial_loads(bundle), repair_hint(bundle.folder))
    kinds = {tool.name: tool.kinds for tool in builtin_tools()}
    tasks = [task for task in read_exam(["development"]) if not task.is_dialogue][: min(limit, QUESTIONS)]
    answers: dict[Way, list[Answer]] = {way: [] for way in WAYS}
    with closing(LlamaEngine(bundle, settings, kinds=kinds)) as engine:
        for way in WAYS:  # grammars, caches and pages are filled before the clock starts
            _answer(engine, settings, tasks[0], way)
        for index, task in enumerate(tasks):
            for offset in range(len(WAYS)):
                way = WAYS[(index + offset) % len(WAYS)]
                answers[way].append(_answer(engine, settings, task, way))
            print(f"\rquestion {index + 1} of {len(tasks)}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        result = {
            "bundle": bundle.name,
            "layout": bundle.layout,
            "machine": machine(engine.threads),
            **figures(answers),
            **_comparison(engine, answers),
        }
    result |= resuming_figures(bundle, settings, kinds)
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        _print(result, answers["with drafts"])
    return 0


def figures(answers: Mapping[Way, Sequence[Answer]]) -> dict[str, Any]:
    """Return what the answers took. None stands for what cannot be measured here."""
    drafted, plain, typed = (answers[way] for way in WAYS)
    seconds = sum(answer.seconds for answer in drafted)
    usage = _together(drafted)
    computed = sum((each.model_seconds for each in usage.values()), 0.0)
    energy = [answer.joules for answer in drafted]
    return {
        "questions": len(drafted),
        "median_seconds": round(statistics.median(answer.seconds for answer in typed), 4),
        "first_word_seconds": round(statistics.median(answer.first_word_seconds for answer in typed), 4),
        "largest_first_word_seconds": round(max(answer.first_word_seconds for answer in typed), 4),
        "seconds_with_drafts": round(seconds / len(drafted), 4),
        "seconds_without_drafts": round(sum(answer.seconds for answer in plain) / len(plain), 4),
        "python_share": round(min(1.0, max(0.0, 1 - computed / seconds)), 4),
        "joules": None if None in energy else round(sum(filter(None, energy)) / len(energy), 2),
        "roles": {role: _counters(each) for role, each in usage.items()},
        "roles_without_drafts": {role: _counters(each) for role, each in _together(plain).items()},
    }


def _comparison(engine: LlamaEngine, answers: Mapping[Way, Sequence[Answer]]) -> dict[str, Any]:
    """Return whether drafts and reading ahead leave the texts as they are, but for near-ties."""
    plain = answers["without drafts"]
    bound = spread(engine, (turn for answer in plain[:SPREAD_QUESTIONS] for turn in answer.turns))
    gaps = [
        gap(engine, *parted)
        for way in ("with drafts", "typed")
        for one, other in zip(plain, answers[way], strict=True)
        if (parted := first_difference(one.turns, other.turns))
    ]
    near_ties = sum(each <= bound for each in gaps)
    return {
        "same_text": near_ties == len(gaps),
        "near_ties": near_ties,
        "differences": len(gaps),
        "near_tie_bound": round(bound, 5),
        "largest_gap": round(max(gaps, default=0.0), 5),
    }


def _answer(engine: LlamaEngine, settings: EngineSettings, task: Task, way: Way) -> Answer:
    """Answer the question of a task in a workspace of its own, with only the tools in the contexts."""
    engine.settings = replace(settings, speculate=way != "without drafts")
    recording = RecordingEngine(engine)
    text = task.exchanges[0].ask
    with prepared(task) as (toolbox, _):
        agent = Agent(recording, toolbox, check=CallCheck(engine.least_margins))
        conversation = agent.begin()
        agent.read_ahead(conversation, "", lambda: False)
        if way == "typed":
            _type(agent, conversation, text)
        before, started = joules(), perf_counter()
        for event in agent.run(conversation, text, approve=_permit):
            if isinstance(event, Finished):
                break
        else:
            raise AssertionError("a turn ends with Finished")
        ended, after = perf_counter(), joules()
    return Answer(
        ended - started,
        recording.first_token - started,
        event.stats,
        recording.turns,
        after - before if before is not None and after is not None else None,
    )


def _type(agent: Agent, conversation: Conversation, text: str) -> None:
    """Let the models read what is on the screen after each key, for as long as they have.

    A key comes every 1 / `KEYS_A_SECOND`. What is read of a text ends when that of the next one begins, and
    with Enter, which is a key too.
    """
    for end in range(1, len(text) + 1):
        left = 1 / KEYS_A_SECOND - (PAUSE_S if end == len(text) else 0.0)
        deadline = perf_counter() + left
        agent.read_ahead(conversation, text[:end], lambda deadline=deadline: perf_counter() > deadline)


def _permit(request: Request) -> Allow | None:
    return request.allow() if request.kind == "permission" else None


def _together(answers: Sequence[Answer]) -> dict[Role, Usage]:
    total: dict[Role, Usage] = {}
    for answer in answers:
        for role, usage in answer.usage.items():
            total[role] = total.get(role, Usage()) + usage
    return total


def _counters(usage: Usage) -> dict[str, Any]:
    return {
        **asdict(usage),
        "tokens_per_decode": round(usage.tokens_per_decode, 3),
        "accepted_per_decode": round(usage.accepted_per_decode, 3),
    }


def _print(result: Mapping[str, Any], drafted: Sequence[Answer]) -> None:
    """Print the figures as lines, and a table of the roles with drafts."""
    with_drafts, without = result["seconds_with_drafts"], result["seconds_without_drafts"]
    energy = result["joules"]
    same = "the same" if result["same_text"] else "NOT the same"
    lines = [
        ("seconds a question, the median, typed and read ahead", f"{result['median_seconds']:.2f}"),
        ("to the first token of the first thought, the median", f"{result['first_word_seconds']:.3f}"),
        (
            f"to that of a session of {result['resume_tokens']:,} tokens, models opened anew",
            f"{result['resume_seconds']:.2f}",
        ),
        ("seconds a question with drafts", f"{with_drafts:.2f}"),
        ("without", f"{without:.2f} ({with_drafts / without:.2f} with)"),
        ("Python and masks", f"{result['python_share']:.1%}"),
        ("joules a question", "-, no RAPL counter can be read here" if energy is None else f"{energy:.1f}"),
        (
            "texts with and without drafts and reading ahead",
            f"{same}: {result['differences']} differences, {result['near_ties']} of them at near-ties"
            f" (two logits at most {result['near_tie_bound']:.3f} apart)",
        ),
    ]
    asked = f"{result['questions']} questions, {result['machine']['threads']} threads"
    print(f"{result['bundle']}, {result['layout']}: {asked}")
    for name, value in lines:
        print(f"{name:55}{value}")
    print(f"\n{'with drafts':12}" + "".join(f"{head:>10}" for head in HEADS))
    for role, usage in _together(drafted).items():
        print(f"{role:12}{row(usage, usage.seconds)}")
