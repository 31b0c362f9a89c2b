"""Files loaded by llama.cpp in forks of a child process, so that an abort is an outcome and not the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def load_in_forks(
    names: Mapping[str, bytes], folder: Path, *, model: Path | None = None, limit_s: int = 20
) -> dict[str, str]:
    """Load each file in a fork of a child process, decode two tokens and return what came of it by name.

    With `model` the files are adapters of it. An outcome is
    `loaded`, `refused: ` and the one line of an error, `died: ` and a signal, or `raised: ` and an exception.
    """
    folder.mkdir(exist_ok=True)
    for number, content in enumerate(names.values()):
        (folder / f"{number}.gguf").write_bytes(content)
    command = [sys.executable, "-P", __file__, str(folder), str(len(names)), str(limit_s), str(model or "")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=limit_s * len(names))
    return dict(zip(names, json.loads(done.stdout), strict=True))


def _outcome(path: Path, model: str, limit_s: int) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(limit_s)
        os.write(writer, _load(path, model).encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    return f"died: {signal.Signals(os.WTERMSIG(status)).name}" if os.WIFSIGNALED(status) else text


def _load(path: Path, model_file: str) -> str:
    from agent.errors import UmiError
    from agent.llama.binding.context import Adapter, Context
    from agent.llama.binding.model import Model

    try:
        model = Model(Path(model_file) if model_file else path)
        context = Context(model, 256, threads=1)
        context.set_adapter(Adapter(model, path) if model_file else None)
        context.decode(model.vocabulary.tokenize("the call", True)[:2] or [0])
        model.vocabulary.grammar_tokenizer(model.vocabulary.turn_end)
        return "loaded"
    except UmiError as error:
        return f"refused: {error}"
    except BaseException as error:
        return f"raised: {type(error).__name__}: {error}"


if __name__ == "__main__":
    import agent.llama.binding.context  # noqa: F401 (before the forks)

    where, files, seconds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps([_outcome(where / f"{number}.gguf", sys.argv[4], seconds) for number in range(files)]))
