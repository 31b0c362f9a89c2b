"""A model's chat template as a program that runs in a child process, within limits of time and memory.

One child serves every template of this process. It is started by `start_worker` or the first template, and
again where one used up its limits.
"""

from __future__ import annotations

import atexit
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from agent.errors import BundleError, EngineError

HINT = "use a model whose GGUF file has another chat template"
SECONDS = 1.0
"""Processor time of one rendering at most; templates in use take some milliseconds."""
ALL_SECONDS = 2.0
"""Processor time that all renderings of a template may take beyond EACH_SECONDS for each."""
EACH_SECONDS = 0.02
WALL_SECONDS = 60.0
"""After which the child is taken to be stopped: a busy machine gives it processor time sooner."""


class TemplateLimitError(BundleError):
    """A template takes more time or memory than the limits allow."""


class TemplateProgram:
    """A compiled template."""

    def __init__(self, source: str, in_json: tuple[str, str] = ("$^", "")) -> None:
        """Compile `source`. In what its filter `tojson` writes, the first regular expression is replaced.

        Raise BundleError, with the line, where its syntax is wrong; TemplateLimitError as `render`.
        """
        self._request = {"source": source, "in_json": in_json}
        self._seconds_left = ALL_SECONDS
        answer = self._ask(None)
        if "error" in answer:
            raise BundleError(f"the model's chat template does not compile: {answer['error']}", HINT)
        self.literals: list[str] = answer["literals"]
        """The text and the string constants of the template, from which it makes its markup."""

    def render(self, variables: Mapping[str, Any]) -> str:
        """Return the template's text for `variables`, which are JSON values.

        Raise BundleError, with the reason, where it fails, TemplateLimitError where that is for its limits.
        """
        answer = self._ask(variables)
        if "error" in answer:
            what = f"the model's chat template cannot show the conversation: {answer['error']}"
            raise BundleError(what, HINT)
        return answer["text"]

    def _ask(self, variables: Mapping[str, Any] | None) -> dict[str, Any]:
        self._seconds_left = min(self._seconds_left + EACH_SECONDS, ALL_SECONDS)
        seconds = max(EACH_SECONDS, min(SECONDS, self._seconds_left))
        answer = _worker.ask({**self._request, "seconds": seconds, "variables": variables})
        self._seconds_left -= answer.get("seconds", seconds)
        if answer.get("limit") or self._seconds_left < 0:
            why = answer.get("error", f"it takes more than {ALL_SECONDS:g} s of processor time")
            raise TemplateLimitError(f"the model's chat template is refused: {why}", HINT)
        return answer


def start_worker() -> None:
    """Start the child process, so that it is ready when the first template comes."""
    _worker.start()


class _Worker:
    """The child process. May be used from several threads, which wait for each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def start(self) -> None:
        with self._lock:
            self._running()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; `{"error", "limit"}` where the process died of it."""
        with self._lock:
            process = self._running()
            assert process.stdin, process.stdout
            watchdog = threading.Timer(WALL_SECONDS, process.kill)
            watchdog.daemon = True
            watchdog.start()
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()  # type: ignore[union-attr]
            except BrokenPipeError:
                line = b""
            except BaseException:  # Ctrl-C: an answer that is read later would be that of another request
                process.kill()
                self._close()
                raise
            finally:
                watchdog.cancel()
            if line.endswith(b"\n"):
                return json.loads(line)
            process.kill()
            code = self._close()
            if code == -signal.SIGPROF:
                return {
                    "error": f"it takes more than {request['seconds']:.2g} s of processor time",
                    "limit": True,
                }
            return {"error": f"the process that runs it ended (code {code})", "limit": True}

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._close()
            try:
                # In a session of its own, Ctrl-C at the terminal does not end it.
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "agent.templates.worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                raise EngineError(
                    f"no process for the chat template can be started: {error.strerror}",
                    "close other programs",
                ) from None
        return self._process

    def _close(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                if stream:
                    stream.close()
        try:
            return process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


_worker = _Worker()
