"""llama-server as a system of the trace: one model for all roles, or a slot and an activated adapter a role.

The text of a turn is forced token by token by an llguidance grammar, which costs what a constraint costs that
a trained model keeps to. Each prompt is sent whole, as token ids, cut at the places where umi cuts it; the
server keeps of a slot's cache what the prompt begins with. A slot whose tool list was saved is restored
first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent.bundle import Bundle
from agent.errors import EngineError
from agent.evaluation.trace import TraceTurn
from agent.events import Usage
from agent.prompting import Markers, segments
from agent.transcript import ROLES, Role, Transcript
from tui.bench.systems import server_process
from tui.bench.systems.system import require_text

ENVIRONMENT = Path(f"{sys.prefix}-server")
"""The environment that `make bench-server` makes, beside the one that umi runs in."""
SPECULATION = ("NGRAM_SIMPLE",)
"""llama-server's draft of what followed the last tokens where they stood before."""
_TIMEOUT_S = 3600


def server_python() -> Path | None:
    """Return the Python of the environment that has llama-server; None where it was not made."""
    names = ("Scripts/python.exe",) if os.name == "nt" else ("bin/python",)
    return next((path for name in names if (path := ENVIRONMENT / name).exists()), None)


class ServerProcess:
    """A process that has imported llama-server and waits to be told what to load."""

    def __init__(self, python: Path, log: Path) -> None:
        """Start the process; what it prints as errors goes to the file `log`."""
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [python, "-P", server_process.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.pid = self._process.pid
        self._read_line()

    def load(self, **options: Any) -> str:
        """Load a model with the `options` of `server_process.serve` and return the server's address.

        Raise EngineError where it cannot be loaded.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(options) + "\n")
        self._process.stdin.flush()
        return self._read_line()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            self.close()
            errors = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            reason = errors[-1] if errors else "its process ended"
            raise EngineError(f"llama-server does not start: {reason}", "make it again: make bench-server")
        return line


class LlamaServer:
    """Three roles over a server on loopback."""

    def __init__(
        self,
        process: ServerProcess,
        bundle: Bundle,
        threads: int,
        states: Path,
        *,
        speculation: Sequence[str] = (),
        adapted: bool = False,
    ) -> None:
        """Load the bundle's model, and the roles' adapters with `adapted`; restore what `states` holds."""
        self._process = process
        self._markers = bundle.markers
        self._adapted = adapted
        paths = [bundle.adapter_path(role) for role in ROLES] if adapted else []
        try:
            address = process.load(
                model=str(bundle.path("planner")),
                adapters=[str(path) for path in paths if path],
                context_length=bundle.context_length,
                threads=threads,
                speculation=list(speculation),
                states=f"{states}{os.sep}",
            )
            self._address = urlsplit(address).netloc
            self._tokenize = cache(self._ask_for_tokens)
            slots = len(paths) or 1
            # Servers of other numbers of slots refuse it.
            self._state = f"tools-{slots}.state"
            for slot in range(slots if (states / self._state).exists() else 0):
                self._post(f"/slots/{slot}?action=restore", {"filename": self._state})
        except BaseException:
            process.close()
            raise

    def write(self, turn: TraceTurn, first: Callable[[], None]) -> Usage:
        """As in System."""
        ids = self._tokenize(turn.text)
        text, timings = "", {}
        for piece in self._completion(
            self._prompt(turn.before, turn.role),
            turn.role,
            n_predict=len(ids) + 1,  # the end of the turn
            grammar=forcing_grammar(ids),
        ):
            if not text:
                first()
            text += piece["content"]
            timings = piece.get("timings", timings)
        require_text(turn, text)
        return Usage(
            timings["prompt_n"],
            timings["cache_n"],
            len(ids),
            timings["prompt_ms"] / 1000,
            timings["predicted_ms"] / 1000,
            drafted=timings.get("draft_n", 0),
            accepted=timings.get("draft_n_accepted", 0),
        )

    def save_tools(self, transcript: Transcript) -> None:
        """Read the tool list of `transcript` without an adapter and save the first slot's state."""
        for _ in self._completion(self._prompt(Transcript(transcript.tools), None), None, n_predict=0):
            pass
        self._post("/slots/0?action=save", {"filename": self._state})

    def close(self) -> None:
        """As in System."""
        self._process.close()

    def _prompt(self, transcript: Transcript, role: Role | None) -> list[int]:
        texts = prompt_texts(transcript, role, self._markers)
        return [token for text in texts for token in self._tokenize(text)]

    def _ask_for_tokens(self, text: str) -> list[int]:
        asked = {"content": text, "add_special": False, "parse_special": True}
        return self._post("/tokenize", asked)["tokens"]

    def _completion(self, prompt: list[int], role: Role | None, **options: Any) -> Iterator[dict[str, Any]]:
        """Yield the parts of a completion by the slot and the adapter of `role`, or by none, greedily."""
        slot = ROLES.index(role) if self._adapted and role else 0
        body = {
            "prompt": prompt,
            "id_slot": slot,
            "cache_prompt": True,
            "samplers": ["top_k"],
            "top_k": 1,
            "stream": True,
            **options,
        }
        if self._adapted:
            own = ROLES.index(role) if role else None
            body["lora"] = [{"id": i, "scale": float(i == own)} for i in range(len(ROLES))]
        for line in self._request("/completion", body):
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return json.loads(b"".join(self._request(path, body)))

    def _request(self, path: str, body: dict[str, Any]) -> Iterator[bytes]:
        """Yield the lines of an answer. Raise EngineError where the server refuses or is gone."""
        # A connection a request: the server ends one that was idle for some seconds.
        connection = HTTPConnection(self._address, timeout=_TIMEOUT_S)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                reason = response.read().decode("utf-8", "replace")
                raise EngineError(f"llama-server refuses {path}: {response.status} {reason}")
            yield from response
        except (OSError, HTTPException) as error:
            raise EngineError(f"llama-server does not answer {path}: {error!r}") from None
        finally:
            connection.close()


def prompt_texts(transcript: Transcript, role: Role | None, markers: Markers) -> list[str]:
    """Return the texts of a prompt that are tokenized each by itself, to the header of `role`, if any."""
    texts = [
        text
        for part in segments(transcript)
        for text in (markers.header(part.role), part.content, markers.end)
    ]
    return [*texts, markers.header(role)] if role else texts


def forcing_grammar(ids: Sequence[int]) -> str:
    """Return a grammar that allows the tokens `ids` in this order and nothing else."""
    return f"%llguidance {{}}\nstart: {' '.join(f'<[{token}]>' for token in ids)}"
