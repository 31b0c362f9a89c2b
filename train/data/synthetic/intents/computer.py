"""The intent over `system_info`."""

from __future__ import annotations

from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, intent
from train.data.synthetic.worlds.world import World


def _machine(sample: Sampler) -> str:
    """Return an observation about a random computer, so that no model learns one by heart."""
    number = sample.rng.randint
    return (
        f"{sample.rng.choice(('Linux', 'Linux', 'macOS'))} {number(4, 26)}.{number(0, 19)}, "
        f"{sample.rng.choice(('x86_64', 'arm64', 'aarch64'))}, {number(1, 32)} cores, "
        f"{number(1, 128)} GB memory, "
        f"{number(1, 2000)} GB free disk, Python 3.{number(11, 14)}.{number(0, 15)}"
    )


@intent("system_info", topic="this computer", weight=13)
def system(sample: Sampler, world: World) -> Script:
    yield Question(sample.question("system"))
    observations = yield Step(
        "I will look at this computer with {tool}.", (ToolCall("system_info", observation=_machine(sample)),)
    )
    return Outcome(
        f"This computer: {observations[0].content}.",
        (r"re:\d+ cores", r"re:\d+ GB memory"),
        memory=Memory(Again("system")),
    )
