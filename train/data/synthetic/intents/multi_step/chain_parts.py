"""The parts of a chain: what a first step finds, how it is found, and what a second step does with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Part, Script
from train.data.synthetic.worlds.world import World


@dataclass(frozen=True)
class Found:
    """What a first step found."""

    value: str
    """The number or date, as the next call uses it."""
    lead: str
    """How the next thought begins."""
    answer: str
    """What the answer says of it."""
    note: str
    """What a note says of it."""
    unit: str = ""
    """The unit of `value`."""
    path: str = ""
    """The file that it was found in."""
    asked: str = ""
    """What of a whole line was asked for; then the line is kept where the result is to be saved."""

    @property
    def said(self) -> str:
        """`lead` as the beginning of a sentence."""
        return f"{self.lead[0].upper()}{self.lead[1:]}"

    @property
    def text(self) -> str:
        """The value with its unit."""
        return f"{self.value} {self.unit}".strip()


@dataclass(frozen=True)
class Started:
    """A first step drawn from a world: the slots of its clause, and how it is found.

    `find` takes the plan for what comes after, which its thoughts name. `units` are those that what it finds
    may be converted to.
    """

    slots: dict[str, str]
    find: Callable[[str], Part[Found]]
    units: tuple[str, ...] = ()


@dataclass(frozen=True)
class Start:
    """A kind of first step: the tools it needs, its topic, and how one is drawn for a kind of second step."""

    needs: tuple[str, ...]
    topic: str
    draw: Callable[[Sampler, World, str], Started]


@dataclass(frozen=True)
class Next:
    """A second step: the section of its clause, the slots of that, the plan for it, and how it ends."""

    section: str
    slots: dict[str, str]
    plan: str
    finish: Callable[[Found], Script]
    saves: bool = False
    """Whether it keeps the result instead of using it further."""


@dataclass(frozen=True)
class End:
    """A kind of second step: the tools it needs, its topic if that is its own, and how one is drawn."""

    needs: tuple[str, ...]
    topic: str
    draw: Callable[[Sampler, World, Started], Next]
