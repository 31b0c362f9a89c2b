"""What rows of a group share: a world, a tool list, and the running of requests over both."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from agent.transcript import CallerTurn, PlannerTurn, Split, SummarizerTurn, Turn, UserTurn
from train.data.foreign.requests import Foreign
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Intent, Outcome, Question, Step
from train.data.synthetic.toolset import BUILTIN, FOREIGN, Toolset, make_foreign_toolset, make_toolset
from train.data.synthetic.wording.refusal import refusal
from train.data.synthetic.worlds.sandbox import Sandbox
from train.data.synthetic.worlds.world import World, make_world

Exchanges = list[tuple[list[Turn], Outcome]]
"""The turns of each exchange and how it ended."""
BUILTIN_SHARE = 0.6
"""Share of groups over exactly the built-in tools; training reads that list once for many rows."""
LONG_SHARE = 0.375
"""Share of other lists with more tools than the app's: 25 % of all lists are short, 15 % long."""
FOREIGN_SHARE = 0.5
"""Share of these other lists over tools of a collection, where there is one."""


@dataclass(frozen=True)
class Group:
    """What the rows of a group share. `extra` are the requests that foreign tools of a collection serve."""

    sample: Sampler
    world: World
    sandbox: Sandbox
    tools: Toolset
    foreign: Foreign | None = None
    extra: tuple[Intent, ...] = ()

    def serves(self, intent: Intent) -> bool:
        """Return whether all tools of an intent are on offer."""
        return all(self.tools.has(tool) for tool in intent.needs)

    def run(self, intent: Intent) -> Exchanges | None:
        """Return the exchanges of an intent with their outcomes; None if the world does not fit it."""
        return run_script(intent, self.sample, self.world, self.sandbox, self.tools)

    @property
    def knows(self) -> bool:
        """Whether general knowledge is asked for: no tool on offer may be one that looks it up."""
        return self.foreign_free and not (self.tools.has("define_word") or self.tools.has("translate_text"))

    @property
    def foreign_free(self) -> bool:
        """Whether no tool of a collection is on offer."""
        return all(tool in BUILTIN or tool in FOREIGN for tool in self.tools.offered)


def make_group(
    seed: str,
    split: Split,
    folder: Path,
    plain: float,
    max_tools: int,
    foreign: Foreign | None,
    place: float,
) -> Group:
    """Return a group with a random world in `folder` and a random tool list.

    `place`, from 0 to 1, says which kind of list: below `plain` the built-in tools, above it a short or a
    long other one. Evenly spread places give the shares even among few groups.
    """
    sample = Sampler(random.Random(seed), split)
    world = make_world(sample)
    extra: tuple[Intent, ...] = ()
    long = float(place >= 1 - (1 - plain) * LONG_SHARE)
    if place < plain:
        tools = make_toolset(sample, plain=1)
    elif foreign and sample.chance(FOREIGN_SHARE):
        tools = make_foreign_toolset(sample, foreign, max_tools, long=long)
        extra = tuple(foreign.intents(tools.offered))
    else:
        tools = make_toolset(sample, plain=0, max_tools=max_tools, long=long)
    return Group(sample, world, Sandbox(folder, world), tools, foreign, extra)


def run_script(
    intent: Intent, sample: Sampler, world: World, sandbox: Sandbox, tools: Toolset
) -> Exchanges | None:
    """Return the exchanges of an intent with their outcomes; None if the world does not fit it."""
    exchanges: Exchanges = []
    turns: list[Turn] = []
    try:
        script = intent.script(sample, world)
        said = next(script)
        # A request that refers back has no topic, and comes without a story.
        framed = intent.topic
        while True:
            match said:
                case Question(text):
                    turns = [UserTurn(sample.frame(text, framed) if framed else text)]
                    framed = ""
                    if not all(tools.has(tool) for tool in intent.needs):
                        return [_exchange(turns, Outcome(refusal(text), gave_up=True))]
                    said = next(script)
                case Step(thought, to_call):
                    calls = tuple(tools.call(call.tool, call.arguments) for call in to_call)
                    seen = [
                        sandbox.run(call, offered.name) for call, offered in zip(to_call, calls, strict=True)
                    ]
                    named = thought.replace("{tool}", calls[0].name).replace("{last_tool}", calls[-1].name)
                    turns.extend((PlannerTurn(named, "caller"), CallerTurn(calls), *seen))
                    said = script.send(seen)
                case Outcome():
                    exchanges.append(_exchange(turns, said))
                    said = next(script)
    except StopIteration as stop:
        return [*exchanges, _exchange(turns, stop.value)]
    except (IndexError, ValueError):
        return None


def _exchange(turns: list[Turn], outcome: Outcome) -> tuple[list[Turn], Outcome]:
    """Return the turns of an exchange with its end, and its outcome."""
    if outcome.gave_up:
        return [*turns, PlannerTurn(outcome.answer, "give up")], outcome
    ending = PlannerTurn(outcome.thought.replace("\n", " "), "summarizer"), SummarizerTurn(outcome.answer)
    return [*turns, *ending], outcome
