"""Drills for a base: say this again, and what stood behind that word.

Copying from far away is learnt late and all at once; short texts with nothing else to learn bring it on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from agent.transcript import Row, SummarizerTurn, Transcript, UserTurn
from train.data.synthetic.draw import Draw


def drills(seed: int) -> Iterator[Row]:
    """Rows without tools, without end."""
    rng = random.Random(f"drill/{seed}")
    d = Draw(rng, "train")
    number = 0
    while True:
        text, answer = _again(d) if d.chance(0.5) else _behind(d)
        turns = (UserTurn(text), SummarizerTurn(answer))
        yield Row(f"drill-{seed}-{number}", "drill", "train", Transcript((), turns))
        number += 1


def _item(d: Draw) -> str:
    kind = d.rng.randrange(5)
    if kind == 0:
        return d.number(2, 9999)
    if kind == 1:
        return d.file_name()
    return d.pseudo_word() if kind == 2 else d.word()


def _again(d: Draw) -> tuple[str, str]:
    text = " ".join(_item(d) for _ in range(d.rng.randint(2, 7)))
    return text, text


def _behind(d: Draw) -> tuple[str, str]:
    keys = list(dict.fromkeys(_item(d) for _ in range(d.rng.randint(3, 7))))
    values = [" ".join(_item(d) for _ in range(d.rng.randint(1, 2))) for _ in keys]
    at = d.rng.randrange(len(keys))
    pairs = "; ".join(f"{key}: {value}" for key, value in zip(keys, values, strict=True))
    return f"{pairs}\n{keys[at]}", values[at]
