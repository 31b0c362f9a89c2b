"""Packing: trajectories that share a tool list as one sequence, the list once, then a branch for each.

A branch attends to the shared prefix and to itself, and its positions continue those of the prefix, so its
loss is that of the trajectory alone. Tool lists are several times longer than the questions, so this saves
most of the time of training on a CPU.

This module knows nothing of models or of torch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np

from agent.prompting.encoding import Encoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORE = -100
"""The label of a position that has no loss, as in torch's `cross_entropy`."""

Item = TypeVar("Item")

PREFIX = 0
"""The branch id of the shared prefix; branches count from 1."""


@dataclass(frozen=True)
class Packed:
    """One packed sequence of T tokens; every array has shape [T]."""

    input_ids: NDArray[np.int64]
    position_ids: NDArray[np.int64]
    """Positions within the trajectory; those of every branch continue the prefix."""
    branch_ids: NDArray[np.int64]
    """`PREFIX`, or the number of the branch."""
    targets: NDArray[np.int64]
    """The token to predict after each position, or `IGNORE`."""

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def label_count(self) -> int:
        """Number of positions with a target."""
        return int((self.targets != IGNORE).sum())


def pack(rows: Iterable[Encoded], max_tokens: int, *, open_packs: int = 256) -> Iterator[Packed]:
    """Yield sequences of at most `max_tokens` tokens, each of rows whose prefix is the same.

    A row longer than `max_tokens` makes a sequence of its own, unshortened. At most `open_packs` sequences
    are filled at a time; beyond that the oldest is yielded as it is.
    """
    for group in group_rows(rows, extent_of, max_tokens, open_packs=open_packs):
        yield join(group.rows)


class Extent(NamedTuple):
    """The sizes of a row in tokens, by which rows are grouped."""

    prefix: Hashable
    """Equal for rows whose prefix is the same."""
    prefix_tokens: int
    rest_tokens: int
    starts_with_target: bool
    """Whether the first token after the prefix is a target."""


def extent_of(row: Encoded) -> Extent:
    """Return the sizes of a row."""
    return Extent(row.prefix.tobytes(), len(row.prefix), len(row.rest), starts_with_target(row))


def starts_with_target(row: Encoded) -> bool:
    """Return whether the first token after the prefix is a target."""
    return bool(len(row.rest) and row.is_target[0])


@dataclass(slots=True)
class Group(Generic[Item]):
    """Rows that make one sequence, or what stands for them: their indices."""

    prefix_tokens: int
    rows: list[Item] = field(default_factory=list)
    rest_tokens: int = 0
    starts_with_target: bool = False
    """Whether any of the rows does."""

    def add(self, row: Item, extent: Extent) -> None:
        """Add a row with the same prefix."""
        self.rows.append(row)
        self.rest_tokens += extent.rest_tokens
        self.starts_with_target |= extent.starts_with_target

    @property
    def most_tokens(self) -> int:
        """Number of tokens of the sequence if each row repeats one."""
        return self.prefix_tokens + self.rest_tokens + len(self.rows)

    @property
    def shared_tokens(self) -> int:
        """Number of tokens that the branches share, as `join` shares them."""
        repeated = repeats_last(len(self.rows), self.prefix_tokens, self.starts_with_target)
        return self.prefix_tokens - repeated

    def __len__(self) -> int:
        """Return the number of tokens of the sequence that `join` makes."""
        repeated = self.prefix_tokens - self.shared_tokens
        return self.shared_tokens + self.rest_tokens + repeated * len(self.rows)


def group_rows(
    rows: Iterable[Item], extent: Callable[[Item], Extent], max_tokens: int, *, open_packs: int = 256
) -> Iterator[Group[Item]]:
    """Yield the groups of rows that `pack` joins, as soon as each is full. `extent` returns a row's sizes."""
    groups: dict[Hashable, Group[Item]] = {}
    for row in rows:
        size = extent(row)
        group = groups.get(size.prefix)
        if group is not None and group.most_tokens + size.rest_tokens + 1 > max_tokens:
            yield groups.pop(size.prefix)
            group = None
        if group is None:
            if len(groups) >= open_packs:
                yield groups.pop(next(iter(groups)))
            group = groups[size.prefix] = Group(size.prefix_tokens)
        group.add(row, size)
    yield from groups.values()


def repeats_last(rows: int, prefix_tokens: int, starts_with_target: bool) -> bool:
    """Return whether the branches of a sequence each repeat the last token of the prefix; see `join`."""
    return rows > 1 and prefix_tokens > 0 and starts_with_target


def join(rows: Sequence[Encoded]) -> Packed:
    """Return one sequence of rows whose prefix is the same, the shortest first, so that neighbours pad least.

    Where several rows have a label for their first token, the labels would collide on the prefix's last
    position; each branch then repeats that one token.
    """
    rows = sorted(rows, key=len)
    prefix = rows[0].prefix
    repeat_last = repeats_last(len(rows), len(prefix), any(map(starts_with_target, rows)))
    shared = prefix[:-1] if repeat_last else prefix
    ids, positions, branches, targets = [shared], [np.arange(len(shared))], [np.zeros(len(shared))], []
    head = np.full(len(shared), IGNORE)
    if not repeat_last and len(rows) == 1 and len(shared) and len(rows[0].rest) and rows[0].is_target[0]:
        head[-1] = rows[0].rest[0]
    targets.append(head)
    for branch, row in enumerate(rows, start=1):
        lead = prefix[-1:] if repeat_last else prefix[:0]
        tokens = np.concatenate([lead, row.rest])
        is_target = np.concatenate([np.zeros(len(lead), np.bool_), row.is_target])
        labels = np.full(len(tokens), IGNORE)
        labels[:-1] = np.where(is_target[1:], tokens[1:], IGNORE)
        ids.append(tokens)
        positions.append(len(shared) + np.arange(len(tokens)))
        branches.append(np.full(len(tokens), branch))
        targets.append(labels)
    return Packed(*(np.concatenate(part).astype(np.int64) for part in (ids, positions, branches, targets)))


def without_labels(packed: Packed) -> Packed:
    """Return the same sequence with nothing to predict."""
    return replace(packed, targets=np.full_like(packed.targets, IGNORE))


def split_in_two(packed: Packed) -> list[Packed]:
    """Return the same rows as two sequences of about the same length; as one if there is one row.

    Both have the prefix; its labels are in the first only.
    """
    sizes = np.bincount(packed.branch_ids)[PREFIX + 1 :]
    if len(sizes) < 2:
        return [packed]
    middle = int(np.searchsorted(np.cumsum(sizes), sizes.sum() / 2))
    last = PREFIX + 1 + min(middle, len(sizes) - 2)
    shared = packed.branch_ids == PREFIX
    first = shared | (packed.branch_ids <= last)
    second = shared | (packed.branch_ids > last)
    second_targets = np.where(shared, IGNORE, packed.targets)
    shift = np.where(shared, 0, last - PREFIX)
    return [
        Packed(
            packed.input_ids[first],
            packed.position_ids[first],
            packed.branch_ids[first],
            packed.targets[first],
        ),
        Packed(
            packed.input_ids[second],
            packed.position_ids[second],
            (packed.branch_ids - shift)[second],
            second_targets[second],
        ),
    ]
