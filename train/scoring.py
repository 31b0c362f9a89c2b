"""How well the model that is being trained does its task, on a sample of held-out turns.

Each turn is written after the reference's history, freely: no grammar holds the model, as one does in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from agent.metrics import (
    argument_f1,
    first_tool,
    hallucinated,
    rouge_l,
    same_plan,
    same_tools,
    without_arguments,
)
from agent.prompts import CHATML, Markers, Tokenize, segment, segment_ids
from agent.transcript import (
    ENDINGS,
    ROLES,
    Call,
    CallerTurn,
    PlannerTurn,
    Row,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    parse_calls,
    planner_text,
)
from train.generation import generate
from train.model import Trainee
from train.trimming import trim
from train.wording import AS_IN_USE, ASSISTANT, Wording

Scores = dict[str, float]
"""Measures by name, each from 0 to 1, the higher the better; of `hallu` the lower."""

_HEADLINES = {"planner": "plan_acc", "caller": "call_em", "summarizer": "rouge_l", "backbone": "mean"}
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Case:
    """One turn to write: the transcript before it, and the reference."""

    before: Transcript
    turn: PlannerTurn | CallerTurn | SummarizerTurn


def headline(role: str) -> str:
    """The measure that decides which adapter of a role, or of `backbone`, is the best."""
    return _HEADLINES[role]


def score_stage(
    model: Trainee,
    rows: Sequence[Row],
    stage: str,
    tokenize: Tokenize,
    markers: Markers = CHATML,
    *,
    turns: int,
    most: int,
    max_length: int,
    max_tokens: int = 4096,
    wording: Wording = AS_IN_USE,
) -> Scores:
    """`score_role` of the role that a stage trains; of all three, `together`, for `backbone`.

    Empty where the rows hold no turn to score.
    """
    found = {
        role: score_role(
            model,
            rows,
            role,
            tokenize,
            markers,
            turns=turns,
            most=most,
            max_length=max_length,
            max_tokens=max_tokens,
            wording=wording,
        )
        for role in (ROLES if stage == "backbone" else (stage,))
    }
    return together(found) if stage == "backbone" else found[stage]


def together(found: dict[str, Scores]) -> Scores:
    """The scores of several roles as `ROLE.MEASURE`, and the `mean` of the headlines there are."""
    scores = {f"{role}.{name}": value for role, part in found.items() for name, value in part.items()}
    firsts = [part[headline(role)] for role, part in found.items() if part]
    return {"mean": sum(firsts) / len(firsts), **scores} if firsts else {}


def score_role(
    model: Trainee,
    rows: Sequence[Row],
    role: str,
    tokenize: Tokenize,
    markers: Markers = CHATML,
    *,
    turns: int,
    most: int,
    max_length: int,
    max_tokens: int = 4096,
    wording: Wording = AS_IN_USE,
    compat: bool = False,
) -> Scores:
    """What `role` gets right of at most `turns` of its turns in `rows`; empty where they hold none.

    A turn is written in at most `most` tokens. Its history loses its oldest steps where history and reference
    are longer than `max_length`, as in training; a turn that cannot be made to fit is left out. `max_tokens`
    bounds a batch, and `wording` is that of the stage.
    """
    speaker = ASSISTANT if wording.joined else wording.names.get(role, role)
    header, close = tokenize(markers.header(speaker), True), tokenize(markers.close, True)

    def prompt(before: Transcript) -> list[int]:
        pieces = wording.segments(before)
        return [*(i for piece in pieces for i in segment_ids(piece, tokenize, markers)), *header]

    chosen: list[Case] = []
    prompts: list[list[int]] = []
    for case in sample(rows, role, turns):
        room = max_length - len(tokenize(segment(case.turn).content, False)) - len(close)
        before = trim(case.before, lambda shorter, room=room: len(prompt(shorter)) <= room)
        if before is not None:
            chosen.append(replace(case, before=before))
            prompts.append(prompt(before))
    read = _detokenize(model.base)
    texts = [read(ids) for ids in generate(model, prompts, close[0], most, max_tokens=max_tokens)]
    if wording.joined:
        texts = [part_of(text, role) for text in texts]
    return measure(role, chosen, texts, compat=compat)


def baselines(rows: Sequence[Row], role: str, *, turns: int | None = None, compat: bool = False) -> Scores:
    """What needs no model scores on the same turns (all turns where `turns` is None).

    planner: always handing over to the caller. caller: the first tool on offer (`act_em`, `hallu`), and the
    right tools without arguments (`arg_f1`, `call_em`). summarizer: the last observation again. For
    `backbone` all of these, as `together` names them.
    """
    if role == "backbone":
        return together({one: baselines(rows, one, turns=turns, compat=compat) for one in ROLES})
    chosen = sample(rows, role, turns)
    if role == "planner":
        return measure(role, chosen, [planner_text("", "caller")] * len(chosen))
    if role == "summarizer":
        return measure(role, chosen, [_last_observation(case.before) for case in chosen])
    first = measure(role, chosen, [_lines(first_tool(case.before.tools)) for case in chosen], compat=compat)
    bare = [without_arguments(case.turn) for case in chosen if isinstance(case.turn, CallerTurn)]
    empty = measure(role, chosen, list(map(_lines, bare)), compat=compat)
    return {**empty, **{name: first[name] for name in ("act_em", "hallu") if first}}


def sample(rows: Iterable[Row], role: str, turns: int | None = None) -> list[Case]:
    """At most `turns` turns of `role`, spread evenly over `rows`, the same ones each time."""
    found = [
        Case(replace(row.transcript, turns=row.transcript.turns[:at]), turn)
        for row in rows
        for at, turn in enumerate(row.transcript.turns)
        if isinstance(turn, PlannerTurn | CallerTurn | SummarizerTurn) and segment(turn).role == role
    ]
    if turns is None or len(found) <= turns:
        return found
    # One turn of each of `turns` stretches, now early in it, now late: a fixed step would fall in with the
    # alternation of turns and take every planner's first one, say.
    bounds = [n * len(found) // turns for n in range(turns + 1)]
    return [found[bounds[n] + int(n * _GOLDEN % 1 * (bounds[n + 1] - bounds[n]))] for n in range(turns)]


def measure(role: str, cases: Sequence[Case], texts: Sequence[str], *, compat: bool = False) -> Scores:
    """The scores of what `role` wrote in each case; empty where there is none.

    planner: `plan_acc`, the hand-over is the reference's. caller: `act_em`, all tools called are;
    `arg_f1`, of their arguments; `call_em`, whole calls are right, also in another accepted form; `hallu`,
    the share of calls to a tool not on offer or malformed. summarizer: `rouge_l`; `exact`, letter for letter.
    With `compat`, `arg_f1` is as in `agent.metrics`, and `hallu` is the share of turns whose calls can be
    read and name a tool not on offer.
    """
    if not cases:
        return {}
    found: list[Scores] = []
    bad = written = 0
    for case, text in zip(cases, texts, strict=True):
        match case.turn:
            case PlannerTurn():
                found.append({"plan_acc": float(same_plan(text, case.turn))})
            case SummarizerTurn(reference):
                found.append({"rouge_l": rouge_l(text, reference), "exact": float(text == reference)})
            case CallerTurn():
                calls = parse_calls(text) or ()
                found.append(
                    {
                        "act_em": float(same_tools(calls, case.turn)),
                        "arg_f1": argument_f1(calls, case.turn, compat=compat),
                        "call_em": float(case.turn.matched_by(calls)),
                    }
                )
                wrong, count = hallucinated(text, case.before.tools)
                bad += bool(calls and wrong) if compat else wrong
                written += 1 if compat else count
    means = {name: sum(one[name] for one in found) / len(found) for name in found[0]}
    return {**means, "hallu": bad / written} if role == "caller" else means


def part_of(text: str, role: str) -> str:
    """What `role` would have written of the one assistant's `text`: thought and ending, or what follows them.

    Nothing, which is always wrong, where the assistant hands over to another role.
    """
    lines = text.split("\n")
    for at, line in enumerate(lines):
        ending = line.removeprefix("Next: ")
        if line != ending and ending in ENDINGS:
            if role == "planner":
                return "\n".join(lines[: at + 1])
            return "\n".join(lines[at + 1 :]) if ending == role else ""
    return text if role == "planner" else ""


def _last_observation(transcript: Transcript) -> str:
    seen = [turn for turn in transcript.turns if isinstance(turn, ToolTurn)]
    return segment(seen[-1]).content if seen else ""


def _lines(calls: Iterable[Call]) -> str:
    return "\n".join(call.line() for call in calls)


@lru_cache(maxsize=2)
def _detokenize(folder: Path) -> Callable[[list[int]], str]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return lambda ids: tokenizer.decode(ids, skip_special_tokens=False)
