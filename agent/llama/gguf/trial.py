"""Trial loads: a GGUF file that did not come with umi is first loaded in a child, which may die of it.

A file that passed is remembered with its size and times, so each is tried once. What is remembered are codes
under this machine's key: nobody else can note a file as tried.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from agent.bundle import Bundle
from agent.errors import BundleError, EngineError
from agent.machine_key import authentication_code
from agent.paths import SHIPPED, cache_folder, read_json, write_private

LIMIT_S = 60.0
"""For a trial; more for large files."""
BYTES_PER_SECOND = 20_000_000
"""The slowest disk that a large file is expected on."""
MAX_REMEMBERED = 1000
_PURPOSE = "trial load"
_FILE = "tried.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialLoad:
    """A model, and adapters that are applied to it in turn."""

    model: Path
    adapters: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The model and the adapters."""
        return self.model, *self.adapters


def trial_loads(bundle: Bundle) -> list[TrialLoad]:
    """Return a trial load of each model of `bundle`, with its adapters."""
    adapters: dict[Path, list[Path]] = {}
    for role in bundle.roles:
        own = adapters.setdefault(bundle.path(role), [])
        if path := bundle.adapter_path(role):
            own.append(path)
    return [TrialLoad(model, tuple(own)) for model, own in adapters.items()]


def require_loadable(loads: Iterable[TrialLoad], hint: str = "", *, limit_s: float = LIMIT_S) -> None:
    """Load what did not come with umi and was not tried before in a child; decode two tokens of each.

    Raise BundleError, with `hint` as the next step, where the child refuses a file, dies, or takes longer
    than `limit_s` and the time to read the files; EngineError where no child can be started.
    """
    tried = _remembered()
    codes = {load: _code(load) for load in loads if not _ships_with_umi(load)}
    pending = [load for load, code in codes.items() if code is None or code not in tried]
    if pending:
        _try(pending, hint, limit_s)
        _remember([*tried, *(code for load in pending if (code := codes[load]))])


def _try(loads: Sequence[TrialLoad], hint: str, limit_s: float) -> None:
    files = [path for load in loads for path in load.files]
    limit_s += sum(path.stat().st_size for path in files if path.exists()) / BYTES_PER_SECOND
    job = json.dumps([[os.fspath(path.absolute()) for path in load.files] for load in loads])
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "agent.llama.gguf.trial_worker", job],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        at = _last(error.stdout or b"").get("loading", loads[0].model)
        raise BundleError(f"{at} was not loaded within {limit_s:.0f} seconds", hint) from None
    except OSError as error:
        raise EngineError(f"no process can be started: {error.strerror}", "close other programs") from None
    if done.returncode:
        last = _last(done.stdout)
        died = (
            f"{last.get('loading', loads[0].model)} cannot be loaded: llama.cpp ended {_how(done.returncode)}"
        )
        raise BundleError(last.get("error", died), hint)


def _last(output: bytes) -> dict[str, str]:
    """Return the last line of JSON that the child wrote: the model that it was `loading`, or an `error`."""
    try:
        value = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _how(code: int) -> str:
    try:
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
    except ValueError:
        return f"by signal {-code}"


def _ships_with_umi(load: TrialLoad) -> bool:
    return all(path.resolve().is_relative_to(SHIPPED.parent) for path in load.files)


def _code(load: TrialLoad) -> str | None:
    """Return the code of the files' sizes and times and of llama.cpp's version; None without a key."""
    parts = [version("llama-cpp-python").encode()]
    try:
        for about in (path.stat() for path in load.files):
            identity = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
            parts.append(repr(identity).encode())
    except OSError:
        return None
    code = authentication_code(_PURPOSE, *parts)
    return code.hex() if code else None


def _remembered() -> list[str]:
    try:
        value = read_json(cache_folder() / _FILE)
    except (OSError, ValueError):
        return []
    return [code for code in value if isinstance(code, str)] if isinstance(value, list) else []


def _remember(codes: Sequence[str]) -> None:
    try:
        write_private(cache_folder() / _FILE, json.dumps(codes[-MAX_REMEMBERED:]) + "\n")
    except OSError as error:
        _log.info("trial loads were not remembered: %s", error)
