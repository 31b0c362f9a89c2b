"""Drills for pretraining a base: repeat a text, and look up the value of a key.

A model learns to copy over long distances late and abruptly; short texts without another task bring that
forward.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from agent.transcript import Row, SummarizerTurn, Transcript, UserTurn
from train.data.synthetic.sampler import Sampler


def copy_drills(seed: int) -> Iterator[Row]:
    """Yield rows without tools, endlessly."""
    rng = random.Random(f"drill/{seed}")
    sample = Sampler(rng, "train")
    number = 0
    while True:
        text, answer = _repetition(sample) if sample.chance(0.5) else _lookup(sample)
        turns = (UserTurn(text), SummarizerTurn(answer))
        yield Row(f"drill-{seed}-{number}", "drill", "train", Transcript((), turns))
        number += 1


def _item(sample: Sampler) -> str:
    kind = sample.rng.randrange(5)
    if kind == 0:
        return sample.number(2, 9999)
    if kind == 1:
        return sample.file_name()
    return sample.pseudo_word() if kind == 2 else sample.word()


def _repetition(sample: Sampler) -> tuple[str, str]:
    text = " ".join(_item(sample) for _ in range(sample.rng.randint(2, 7)))
    return text, text


def _lookup(sample: Sampler) -> tuple[str, str]:
    keys = list(dict.fromkeys(_item(sample) for _ in range(sample.rng.randint(3, 7))))
    values = [" ".join(_item(sample) for _ in range(sample.rng.randint(1, 2))) for _ in keys]
    at = sample.rng.randrange(len(keys))
    pairs = "; ".join(f"{key}: {value}" for key, value in zip(keys, values, strict=True))
    return f"{pairs}\n{keys[at]}", values[at]
