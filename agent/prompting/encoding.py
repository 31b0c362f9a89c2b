"""A transcript as token ids with a mask of the target tokens, for training and for export's held-out loss.

The ids come from `agent.prompting.umi`, so a trained turn is, id for id, the turn that the engine renders.
This module does not know torch: it uses NumPy, and tokenizers where a checkpoint's tokenizer is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent.prompting import CHATML, Markers, Segment, Tokenize, segment_ids, segments
from agent.transcript import ROLES, Transcript

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Encoded:
    """One tokenized trajectory, P + R tokens long."""

    prefix: NDArray[np.int64]
    """[P]: ids of the system turns, which trajectories over the same tools share."""
    rest: NDArray[np.int64]
    """[R]: ids of the other turns."""
    is_target: NDArray[np.bool_]
    """[R]: whether the token in `rest` is a target of the loss."""

    def __len__(self) -> int:
        return len(self.prefix) + len(self.rest)

    @property
    def targets(self) -> int:
        """Number of target tokens."""
        return int(self.is_target.sum())

    @property
    def ids(self) -> NDArray[np.int64]:
        """[P + R]: all ids."""
        return np.concatenate([self.prefix, self.rest])

    @property
    def target_positions(self) -> NDArray[np.int64]:
        """[targets]: positions of the target tokens in `ids`."""
        return len(self.prefix) + np.flatnonzero(self.is_target)


def encode(
    transcript: Transcript, roles: Collection[str], tokenize: Tokenize, markers: Markers = CHATML
) -> Encoded:
    """Return `transcript` with the turns of `roles` as targets: their contents and close markers."""
    return encode_segments(segments(transcript), roles, tokenize, markers)


def encode_segments(
    pieces: Iterable[Segment], roles: Collection[str], tokenize: Tokenize, markers: Markers = CHATML
) -> Encoded:
    """Return the turns `pieces`, the system turns first, with those of `roles` as targets."""
    prefix: list[int] = []
    rest: list[int] = []
    is_target: list[bool] = []
    after = len(tokenize(markers.end, True)) - len(tokenize(markers.close, True))
    for piece in pieces:
        ids = segment_ids(piece, tokenize, markers)
        if piece.role == "system":
            prefix += ids
            continue
        header = len(tokenize(markers.header(piece.role), True))
        wanted = piece.role in roles
        rest += ids
        is_target += [wanted and header <= at < len(ids) - after for at in range(len(ids))]
    return Encoded(np.array(prefix, np.int64), np.array(rest, np.int64), np.array(is_target, np.bool_))


def view_roles(view: str) -> tuple[str, ...]:
    """Return the roles whose turns are targets in a view: all three for `backbone`, else that role."""
    return ROLES if view == "backbone" else (view,)


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the longest common prefix."""
    same = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        same += 1
    return same


def tokenize_with(tokenizer: Tokenizer) -> Tokenize:
    """Return a `Tokenize` of a fast tokenizer: text gives control tokens only with `special`.

    The last 4,096 texts are cached, since headers and tool lists recur in every row.
    """
    from tokenizers import Tokenizer as Raw

    with_markers = Raw.from_str(tokenizer.to_str())
    with_markers.encode_special_tokens = False
    as_text = Raw.from_str(tokenizer.to_str())
    as_text.encode_special_tokens = True

    @lru_cache(maxsize=4096)
    def ids(text: str, special: bool) -> tuple[int, ...]:
        variant = with_markers if special else as_text
        return tuple(variant.encode(text, add_special_tokens=False).ids)

    return lambda text, special: list(ids(text, special))


def load_tokenize(folder: Path) -> Tokenize:
    """Return the `Tokenize` of a Hugging Face checkpoint folder (its `tokenizer.json`)."""
    from tokenizers import Tokenizer as Raw

    return tokenize_with(Raw.from_file(str(folder / "tokenizer.json")))


@lru_cache(maxsize=2)
def load_detokenize(folder: Path) -> Callable[[Sequence[int]], str]:
    """Return the function from ids to text of a checkpoint folder's tokenizer; control tokens are kept."""
    from tokenizers import Tokenizer as Raw

    tokenizer = Raw.from_file(str(folder / "tokenizer.json"))
    return lambda ids: tokenizer.decode(list(ids), skip_special_tokens=False)
