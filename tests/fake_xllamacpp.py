"""A stand-in for the package `xllamacpp`: its tokens are bytes, its model is the grammar.

Each slot keeps the tokens of its last prompt and turn, as the real one does. What is asked of it is appended
to `requests.jsonl` in the folder of saved slots.
"""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any


class _Names:
    def __getattr__(self, name: str) -> str:
        return name


llama_flash_attn_type = common_speculative_type = _Names()


def CommonParams() -> Any:
    """As the package's: every setting is free."""
    parts = ("model", "cpuparams", "cpuparams_batch", "speculative")
    return SimpleNamespace(**{part: SimpleNamespace() for part in parts})


def CommonAdapterLoraInfo(path: str, scale: float) -> tuple[str, float]:
    """As the package's."""
    return path, scale


class Server:
    """Serves on loopback. Raises ValueError where there is no model."""

    def __init__(self, params: Any) -> None:
        if not Path(params.model.path).exists():
            raise ValueError(f"no model {params.model.path}")
        states = Path(params.slot_save_path)
        self.slots: list[list[int]] = [[] for _ in range(params.n_parallel)]
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with (states / "requests.jsonl").open("a") as log:
                    log.write(json.dumps({"path": self.path, **body}) + "\n")
                lines = server.answer(self.path, body, states)
                self.send_response(200 if lines else 400)
                self.end_headers()
                self.wfile.write("\n".join(lines or ["what is that?"]).encode())

            def log_message(self, *_: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.listening_address = f"http://127.0.0.1:{http.server_port}"
        Thread(target=http.serve_forever, daemon=True).start()

    def answer(self, path: str, body: dict[str, Any], states: Path) -> list[str]:
        """Return the lines of an answer; none where the path is unknown."""
        if path == "/tokenize":
            return [json.dumps({"tokens": list(body["content"].encode())})]
        if path == "/completion":
            return [f"data: {json.dumps(part)}" for part in self._complete(body)]
        if found := re.fullmatch(r"/slots/(\d+)\?action=(save|restore)", path):
            slot, file = int(found[1]), states / body["filename"]
            if found[2] == "save":
                file.write_text(json.dumps(self.slots[slot]))
            else:
                self.slots[slot] = json.loads(file.read_text())
            return ["{}"]
        return []

    def _complete(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        prompt, cached = body["prompt"], self.slots[body["id_slot"]]
        same = next(
            (i for i, pair in enumerate(zip(prompt, cached, strict=False)) if pair[0] != pair[1]), None
        )
        reused = min(len(prompt) - 1, len(cached)) if same is None else same
        written = [int(token) for token in re.findall(r"<\[(\d+)\]>", body.get("grammar", ""))]
        self.slots[body["id_slot"]] = [*prompt, *written]
        timings = {"prompt_n": len(prompt) - reused, "cache_n": reused, "prompt_ms": 2.0, "predicted_ms": 3.0}
        pieces = [{"content": bytes(written[:2]).decode()}, {"content": bytes(written[2:]).decode()}]
        return [*pieces, {"content": "", "timings": timings}]
