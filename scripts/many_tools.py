"""Figures of docs/tools.md, "Many tools": recall of the picked tools, and whole questions among 300 tools.

    python scripts/many_tools.py recall FOLDER [--requests N]
    python scripts/many_tools.py questions FOLDER [--models B] [--tasks N] [--all N] [--pinned]

FOLDER holds tools and requests that `umi train data synthetic --foreign` reads.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

from agent.bundle.deltas.build import open_bundle
from agent.bundle.store import find_bundle
from agent.errors import ToolError
from agent.evaluation.exam.reading import read_exam
from agent.evaluation.exam.running import AgentRespondent, TaskResult, run_exam
from agent.evaluation.exam.schema import Task
from agent.setup import open_engine
from agent.tools import builtin_tools, tool
from agent.tools.base import Tool
from agent.tools.selection.embedding import Embed, installed_embedding
from agent.tools.selection.ranking import ToolRanking
from agent.tools.selection.selection import ToolSelection
from agent.tools.toolbox import Toolbox
from agent.transcript import ToolSpec
from train.data.foreign.reading import read_foreign

CUTOFFS = (1, 3, 5, 8)


def print_recall(folder: Path, requests: int) -> None:
    """Print recall@k of each way of ranking, over `requests` of the folder's requests drawn at random."""
    collection = read_foreign([folder])
    specs = [tool.spec for tool in collection.tools.values()]
    known = [
        (request.question, {name for name, _ in request.calls})
        for request in collection.requests
        if all(name in collection.tools for name, _ in request.calls)
    ]
    chosen = random.Random(0).sample(known, min(requests, len(known)))
    print(f"{folder.name}: {len(specs)} tools, {len(chosen)} of {len(known)} requests, recall@{CUTOFFS}")
    embed = installed_embedding()
    ways: dict[str, tuple[Embed | None, bool]] = {"bm25": (None, False), "bm25, progressive": (None, True)}
    if embed:
        ways |= {"bm25 + embedding": (embed, False), "bm25 + embedding, progressive": (embed, True)}
    for name, (embedding, progressive) in ways.items():
        ranking = ToolRanking(specs, embedding)
        found = [
            (ranking.rank(question, max(CUTOFFS), progressive=progressive), wanted)
            for question, wanted in chosen
        ]
        shares = [
            mean(len(wanted & {*ranked[:k]}) / len(wanted) for ranked, wanted in found) for k in CUTOFFS
        ]
        print(f"{name:32}" + "".join(f"{share:8.3f}" for share in shares), flush=True)


@tool(may="read")
def _unavailable() -> str:
    """Do nothing."""
    raise ToolError("this tool is not available")


def foreign_tools(specs: Sequence[ToolSpec], count: int) -> list[Tool]:
    """Return `count` of `specs`, drawn at random, as tools that always fail."""
    builtin = {tool.name for tool in builtin_tools()}
    usable = [spec for spec in specs if spec.name not in builtin]
    return [replace(_unavailable, spec=spec) for spec in random.Random(0).sample(usable, count)]


def print_questions(folder: Path, models: str | None, tasks: int, count: int, pinned_only: bool) -> None:
    """Print how many tasks of the exam's development half are right, by what is on offer.

    With `pinned_only` the built-in tools are always on offer, as in umi itself, and never have to be found.
    """
    everything = [task for task in read_exam(("development",)) if not task.is_dialogue]
    chosen = [everything[at * len(everything) // tasks] for at in range(tasks)]
    others = foreign_tools([t.spec for t in read_foreign([folder]).tools.values()], count - 14)
    embed = installed_embedding()
    engine = open_engine(open_bundle(find_bundle(models), print), keep_states=False)

    def alone(toolbox: Toolbox) -> AgentRespondent:
        return AgentRespondent(engine, toolbox, lambda: False)

    def among(pinned: bool) -> Callable[[Toolbox], AgentRespondent]:
        def open_respondent(toolbox: Toolbox) -> AgentRespondent:
            own = [tool.name for tool in toolbox.tools]
            many = Toolbox([*toolbox.tools, *others], toolbox.context)
            selection = ToolSelection(many.specs, pinned=own if pinned else (), embed=embed)
            return AgentRespondent(engine, many, lambda: False, selection)

        return open_respondent

    print("right of", len(chosen), flush=True)
    first = _run(chosen, alone, "built-in tools alone")
    how = "BM25 and embedding" if embed else "BM25"
    ways = {f"among all, {how}, built-in pinned": among(True)}
    if not pinned_only:
        ways[f"among all, {how}"] = among(False)
    for name, open_respondent in ways.items():
        results = _run(chosen, open_respondent, name)
        lost = [one.id for one, other in zip(first, results, strict=True) if one.right and not other.right]
        print("   lost:", *lost, flush=True)


def _run(
    tasks: Sequence[Task], open_respondent: Callable[[Toolbox], AgentRespondent], name: str
) -> list[TaskResult]:
    results = list(run_exam(tasks, open_respondent))
    seconds = mean(turn.seconds for result in results for turn in result.turns)
    print(f"{name:40}{sum(result.right for result in results):4}{seconds:8.2f} s", flush=True)
    return results


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recall = commands.add_parser("recall")
    recall.add_argument("folder", type=Path)
    recall.add_argument("--requests", type=int, default=2000)
    questions = commands.add_parser("questions")
    questions.add_argument("folder", type=Path)
    questions.add_argument("--models")
    questions.add_argument("--tasks", type=int, default=40)
    questions.add_argument("--all", type=int, default=300)
    questions.add_argument("--pinned", action="store_true")
    given = parser.parse_args()
    if given.command == "recall":
        print_recall(given.folder, given.requests)
    else:
        print_questions(given.folder, given.models, given.tasks, given.all, given.pinned)


if __name__ == "__main__":
    main()
