"""Does a GGUF file say what the model it came from says?

Greedy texts are compared token by token along the torch model's own text. llama.cpp's logits depend a little
on how a prompt is cut into batches; a position where torch's two best tokens are nearer than ten times that
difference could go either way, so it is set aside and counted. For an f32 file all others must agree. For a
quantized file agreement is reported.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent.encoding import load_tokenize
from agent.errors import UmiError
from agent.prompts import CHATML, Markers, Tokenize, prompt_ids
from agent.transcript import CallerTurn, PlannerTurn, Role, Row, SummarizerTurn, Transcript, UserTurn
from export.native import NativeModel, opened

NEAR_TIE = 10.0
"""A margin under this many times llama.cpp's own spread is a near-tie."""
SPREAD_FLOOR = 1e-5
"""The least spread of logits that float32 sums in another order are taken to have."""

HARD_TEXTS = (
    "",
    " ",
    "\n\n  \t\r\n x",
    "It's 3.14159 and 1,000,000; they'll say I'D.",
    "naïve café Ünïcødé — “quotes” … ½ ² ٣",
    "日本語のテキスト、한국어 텍스트, русский текст, עברית, हिन्दी",
    "🙂👩‍👩‍👧‍👦🏳️‍🌈",
    "def f(x):\n    return {'a': [1, 2.5e-3], \"b\": None}  # ok\n\tif x != 0: pass",
    '{"name":"read_file","arguments":{"path":"src/my file (1).txt","start_line":10}}',
    "<|im_end|>\n<|im_start|>planner\nNext: give up<|im_end|>",
    "<|im_start|><|endoftext|><s>[INST] <|im_start |>",
    "C:\\Users\\x\\..\\y  ~/.config/umi//a-b_c.d?e=f&g=%20#h",
    "    leading and trailing    ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 000000000000",
)
"""Texts on which tokenizers part: unicode, digits, code, whitespace, and what looks like a control token."""


@dataclass(frozen=True)
class Activated:
    """A role's activated adapter as a GGUF file, and how many tokens at a prompt's end switch it on."""

    file: Path
    header: int


@dataclass(frozen=True)
class Agreement:
    """How a GGUF file compares with the torch model it came from."""

    positions: int
    """Generated tokens that were compared."""
    agreed: int
    near_ties: int
    """Positions set aside; not among `agreed`."""
    spread: float
    """Largest difference between llama.cpp's logits for two ways of cutting the same tokens."""
    largest_difference: float
    """Largest difference between llama.cpp's and torch's logits."""

    @property
    def disagreed(self) -> int:
        """Positions where the best token differs and torch's choice was clear."""
        return self.positions - self.agreed - self.near_ties


def role_prompts(
    rows: Sequence[Row], role: Role, tokenize: Tokenize, markers: Markers, most: int
) -> list[list[int]]:
    """At most `most` prompts of `role`: its last turn in each of `rows`; a greeting where there is none."""
    kind = {"planner": PlannerTurn, "caller": CallerTurn, "summarizer": SummarizerTurn}[role]
    prompts = []
    for row in rows:
        tools, turns = row.transcript.tools, row.transcript.turns
        at = [i for i, turn in enumerate(turns) if isinstance(turn, kind)]
        if at and len(prompts) < most:
            before = Transcript(tools, turns[: at[-1]], row.transcript.instruction)
            prompts.append(prompt_ids(before, role, tokenize, markers))
    return prompts or [prompt_ids(Transcript((), (UserTurn("hello"),)), role, tokenize, markers)]


def greedy(model: Any, prompt: Sequence[int], end: int, most: int) -> list[int]:
    """At most `most` tokens that the torch model likes best, up to and with `end`."""
    cache, ids, said = None, torch.tensor([list(prompt)]), []
    with torch.no_grad():
        while len(said) < most:
            out = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = out.past_key_values
            said.append(int(out.logits[0, -1].argmax()))
            if said[-1] == end:
                break
            ids = torch.tensor([said[-1:]])
    return said


def active_from(model: Any, start: int) -> Any:
    """Calls of a peft model with its activated adapter on from position `start` of the whole text on."""

    def call(*, input_ids: torch.Tensor, past_key_values: Any = None, **options: Any) -> Any:
        seen = 0 if past_key_values is None else past_key_values.get_seq_length()
        active = seen + input_ids.shape[1] - start
        return model(input_ids=input_ids, past_key_values=past_key_values, alora_offsets=[active], **options)

    return call


def compare(
    gguf_file: Path,
    model: Any,
    prompts: Sequence[Sequence[int]],
    end: int,
    most: int = 32,
    activated: Activated | None = None,
) -> Agreement:
    """Compare a GGUF file with a torch model on greedy texts of at most `most` tokens a prompt.

    With `activated` the adapter's file is applied from the header that ends each prompt on, and `model` is a
    peft model with that adapter active.
    """
    positions = agreed = near_ties = 0
    spread, largest = SPREAD_FLOOR, 0.0
    switched = [len(prompt) - activated.header if activated else None for prompt in prompts]
    models = [model if start is None else active_from(model, start) for start in switched]
    texts = [[*p, *greedy(m, p, end, most)] for m, p in zip(models, prompts, strict=True)]
    results = []
    longest = max((len(text) for text in texts), default=0)
    with opened(gguf_file, longest, activated.file if activated else None) as native:
        for prompt, text, start, speaking in zip(prompts, texts, switched, models, strict=True):
            ids, first = text[:-1], len(prompt) - 1
            ours = native.logits(ids, first, active=start)
            cut = native.logits(ids, first, chunk=max(1, len(ids) // 3), active=start)
            with torch.no_grad():
                theirs = speaking(input_ids=torch.tensor([ids])).logits[0, first:].numpy()
            spread = max(spread, float(np.abs(ours - cut).max()))
            largest = max(largest, float(np.abs(ours - theirs).max()))
            results.append((ours, theirs))
    for ours, theirs in results:
        best = np.sort(theirs, axis=-1)[:, -2:]
        same = ours.argmax(-1) == theirs.argmax(-1)
        near = best[:, 1] - best[:, 0] < NEAR_TIE * spread
        positions += len(same)
        agreed += int((same & ~near).sum())
        near_ties += int(near.sum())
    return Agreement(positions, agreed, near_ties, spread, largest)


def require_agreement(result: Agreement, gguf_file: Path) -> None:
    """Raise UmiError where an f32 file differs from the model it came from."""
    if result.disagreed:
        raise UmiError(
            f"{gguf_file.name} differs from its model at {result.disagreed} of {result.positions} tokens"
            f" (logits by up to {result.largest_difference:.3g})",
            "report this: the conversion is wrong for this architecture",
        )


def check_tokenizer(native: NativeModel, folder: Path, texts: Sequence[str] = HARD_TEXTS) -> int:
    """Compare a GGUF file's tokenizer with that of a checkpoint folder; returns the number of texts compared.

    Raises UmiError naming the first text on which the two differ. Texts are compared as NFC, since llama.cpp
    does not normalize.
    """
    tokenize = load_tokenize(folder)
    for text in (unicodedata.normalize("NFC", text) for text in texts):
        for special in (False, True):
            ours, theirs = native.tokenize(text, special), tokenize(text, special)
            if ours != theirs:
                raise UmiError(
                    f"{native.path.name} tokenizes {text[:30]!r} as {ours[:8]}, its model as {theirs[:8]}",
                    "report this: the tokenizer was converted wrongly",
                )
    return 2 * len(texts)


def marker_id(folder: Path, markers: Markers = CHATML) -> int:
    """The id of the token that ends a turn."""
    return load_tokenize(folder)(markers.close, True)[0]
