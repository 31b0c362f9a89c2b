"""The child process of trial loads: its argument is a JSON list of lists, each a model before its adapters.

It writes a line of JSON for each model that it begins, and one with the error where a file is refused; where
llama.cpp ends the process, the last line tells at which model.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agent.errors import UmiError
from agent.llama.binding.context import Adapter, Context
from agent.llama.binding.model import Model

_REFUSED = 3
_CONTEXT = 256
"""Tokens; llama.cpp does not run with less."""


def main(job: str) -> int:
    """Load each model of `job`, decode two tokens without and with each adapter, and return the exit code."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for model, *adapters in json.loads(job):
        print(json.dumps({"loading": model}), flush=True)
        try:
            _load(Path(model), [Path(path) for path in adapters])
        except UmiError as error:
            print(json.dumps({"error": error.what}))
            return _REFUSED
    return 0


def _load(model_path: Path, adapter_paths: Sequence[Path]) -> None:
    model = Model(model_path)
    context = Context(model, _CONTEXT, threads=1, batch=2)
    vocabulary = model.vocabulary
    vocabulary.grammar_tokenizer(vocabulary.turn_end)
    ids = [*vocabulary.tokenize("Hello, 1 2 3", True), 0, 0][:2]
    for adapter in (None, *(Adapter(model, path) for path in adapter_paths)):
        context.truncate(0)
        context.set_adapter(adapter)
        context.decode(ids)
        if not np.isfinite(context.logits()).all():
            raise UmiError(f"{model_path} is damaged: what it computes is not finite")
    context.close()
    model.close()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
