"""Figures of docs/tools.md, "Many tools": recall of the picked tools, and whole questions among 300 tools.

    python scripts/many_tools.py choose FOLDER … [--requests N] [--model2vec FOLDER …]
    python scripts/many_tools.py recall FOLDER … [--requests N] [--half 0|1] [--model2vec FOLDER …]
    python scripts/many_tools.py questions FOLDER [--models B] [--tasks N] [--all N] [--pinned]

FOLDER holds tools and requests that `umi train data make --foreign` reads. `choose` looks at the first
half of the requests alone, so that `recall --half 1` is of others.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
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
from agent.tools.selection.ranking import ToolRanking, Weights
from agent.tools.selection.selection import ToolSelection
from agent.tools.toolbox import Toolbox
from agent.transcript import ToolSpec
from train.data.foreign.reading import read_foreign

CUTOFFS = (1, 3, 5, 8)
CHOSEN_AT = 5
"""The cutoff that weights are chosen by."""
EMBEDDING_WEIGHTS = (0.3, 0.5, 0.7)
PICKED = ((0.0, 0.0), (0.15, 0.05), (0.3, 0.1), (0.3, 0.3), (0.5, 0.2))

Known = tuple[str, frozenset[str]]
"""A request, and the tools that it needs."""


@dataclass(frozen=True)
class Collection:
    """Tools and requests of a folder; `half` tells which half of them, drawn at random, the requests are."""

    name: str
    specs: list[ToolSpec]
    requests: list[Known]

    @classmethod
    def read(cls, folder: Path, half: int | None, count: int) -> Collection:
        """Return at most `count` requests whose tools are all there, of a half (0 or 1) or of all of them."""
        found = read_foreign([folder])
        known = [
            (request.question, frozenset(name for name, _ in request.calls))
            for request in found.requests
            if all(name in found.tools for name, _ in request.calls)
        ]
        random.Random(0).shuffle(known)
        if half is not None:
            middle = len(known) // 2
            known = known[middle:] if half else known[:middle]
        return cls(folder.name, [tool.spec for tool in found.tools.values()], known[:count])

    def recall(self, ranking: ToolRanking, *, progressive: bool = True) -> list[float]:
        """Return recall@k for each of `CUTOFFS`."""
        found = [
            (ranking.rank(question, max(CUTOFFS), progressive=progressive), wanted)
            for question, wanted in self.requests
        ]
        return [mean(len(wanted & {*ranked[:k]}) / len(wanted) for ranked, wanted in found) for k in CUTOFFS]


def named_embeddings(folders: Sequence[Path]) -> dict[str, Embed | None]:
    """Return no embedding, the installed one, and those of model2vec in `folders`, by name."""
    found: dict[str, Embed | None] = {"BM25": None}
    if installed := installed_embedding():
        found["with wordllama"] = installed
    for folder in folders:
        # Of the environment of whoever compares: no extra has it.
        model = import_module("model2vec").StaticModel.from_pretrained(folder)
        model.normalize = True
        found[f"with {folder.name}"] = lambda texts, model=model: model.encode(list(texts))
    return found


def print_recall(folders: Sequence[Path], half: int | None, count: int, models: Sequence[Path]) -> None:
    """Print recall@k of each embedding, plain and progressive."""
    for folder in folders:
        collection = Collection.read(folder, half, count)
        print(f"{collection.name}: {len(collection.specs)} tools, {len(collection.requests)} requests")
        print(f"{'':32}" + "".join(f"{f'@{k}':>8}" for k in CUTOFFS))
        for name, embed in named_embeddings(models).items():
            ranking = ToolRanking(collection.specs, embed)
            for progressive in (False, True):
                shares = collection.recall(ranking, progressive=progressive)
                title = f"{name}{', progressive' if progressive else ''}"
                print(f"{title:32}" + "".join(f"{share:8.3f}" for share in shares), flush=True)


def print_choice(folders: Sequence[Path], count: int, models: Sequence[Path]) -> None:
    """Print recall by each embedding and choice of weights on the first halves, and the least gain.

    That is over plain BM25; the choice with the largest is the one to take.
    """
    collections = [Collection.read(folder, 0, count) for folder in folders]
    at = CUTOFFS.index(CHOSEN_AT)
    plain = [one.recall(ToolRanking(one.specs), progressive=False)[at] for one in collections]
    print(f"{'plain BM25':44}" + "".join(f"{share:8.3f}" for share in plain))
    for name, embed in named_embeddings(models).items():
        for weight, picked in itertools.product(EMBEDDING_WEIGHTS if embed else (0.0,), PICKED):
            weights = Weights(embedding=weight, picked=picked)
            shares = [one.recall(ToolRanking(one.specs, embed, weights))[at] for one in collections]
            gain = min(share - before for share, before in zip(shares, plain, strict=True))
            listed = "".join(f"{share:8.3f}" for share in (*shares, gain))
            print(f"{name:24}{weight:6} {picked!s:14}{listed}", flush=True)


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
    for name in ("choose", "recall"):
        command = commands.add_parser(name)
        command.add_argument("folders", type=Path, nargs="+")
        command.add_argument("--requests", type=int, default=2000)
        command.add_argument("--model2vec", type=Path, nargs="*", default=[])
        if name == "recall":
            command.add_argument("--half", type=int, choices=(0, 1))
    questions = commands.add_parser("questions")
    questions.add_argument("folder", type=Path)
    questions.add_argument("--models")
    questions.add_argument("--tasks", type=int, default=40)
    questions.add_argument("--all", type=int, default=300)
    questions.add_argument("--pinned", action="store_true")
    given = parser.parse_args()
    if given.command == "recall":
        print_recall(given.folders, given.half, given.requests, given.model2vec)
    elif given.command == "choose":
        print_choice(given.folders, given.requests, given.model2vec)
    else:
        print_questions(given.folder, given.models, given.tasks, given.all, given.pinned)


if __name__ == "__main__":
    main()
