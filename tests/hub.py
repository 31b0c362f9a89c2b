"""A stand-in of the Hugging Face hub on loopback: what umi and huggingface-hub ask of it, and how it fails.

Large files (GGUF, safetensors) are answered with a redirect to a storage of another port, as on the hub.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
from huggingface_hub import constants

import agent.bundle.download.hub
from agent.bundle import Bundle, write_bundle
from agent.transcript import ROLES, Role

REPO = "someone/small"
"""The repository that the fixture `hub` holds."""

LARGE = (".gguf", ".safetensors")
TOKEN = "hf_standin"


@dataclass
class Repository:
    """What the hub holds under one name. Every change makes a commit."""

    files: dict[str, bytes] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    @property
    def commit(self) -> str:
        contents = json.dumps(
            {name: hashlib.sha1(data).hexdigest() for name, data in sorted(self.files.items())}
        )
        return hashlib.sha1(contents.encode()).hexdigest()


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    """By their names in lower case."""
    large: bool
    """Whether it went to the storage."""


@dataclass
class Hub:
    """The stand-in's state, which tests set and read."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    storage: dict[str, bytes] = field(default_factory=dict)
    """Uploaded large files by sha256."""
    requests: list[Request] = field(default_factory=list)
    cut: dict[str, list[int]] = field(default_factory=dict)
    """File -> after so many bytes each of the next answers breaks off."""
    instead: dict[str, bytes] = field(default_factory=dict)
    """File -> what is sent in its place."""
    statuses: list[tuple[str, int]] = field(default_factory=list)
    """Part of a path -> status of the next answer to it; each counts once."""
    ranges: bool = True
    """Whether the storage sends parts of files."""
    address: str = ""
    storage_address: str = ""

    def asked(self, part: str, method: str = "GET") -> list[Request]:
        """The requests whose path contains `part`."""
        return [request for request in self.requests if part in request.path and request.method == method]


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[Hub]
    large: ClassVar[bool]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, status: int, body: bytes | Any = b"", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _begin(self) -> tuple[str, bytes] | None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests.append(
            Request(
                self.command, path, {name.lower(): value for name, value in self.headers.items()}, self.large
            )
        )
        for at, (part, status) in enumerate(self.hub.statuses):
            if part in path:
                del self.hub.statuses[at]
                self._answer(status, {"error": "as the test asked"})
                return None
        return path, body

    def _repository(self, name: str) -> Repository | None:
        """A repository that the request may see; answered with an error where there is none."""
        found = self.hub.repositories.get(name)
        allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if self.headers.get("Authorization") and not allowed:
            self._answer(401, X_Error_Message="Invalid credentials in Authorization header")
        elif found and found.gated:
            self._answer(403, X_Error_Code="GatedRepo")
        elif found is None or (found.private and not allowed):
            self._answer(404 if allowed else 401, X_Error_Code="RepoNotFound")
        else:
            return found
        return None

    def do_GET(self) -> None:
        if not (begun := self._begin()):
            return
        path = begun[0]
        if self.large:
            self._send_file(path.split("/")[-1], self.hub.storage[path.split("/")[1]])
        elif path.startswith("/api/models/"):
            name, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            if repository := self._repository(name):
                self._send_info(name, repository, revision or "main")
        else:
            self._send_resolved(path.strip("/"))

    def _send_info(self, name: str, repository: Repository, revision: str) -> None:
        if revision not in ("main", repository.commit):
            self._answer(404, X_Error_Code="RevisionNotFound")
            return
        siblings = [
            {"rfilename": file, "size": len(data), "lfs": _large_file(data) if file.endswith(LARGE) else None}
            for file, data in repository.files.items()
        ]
        self._answer(
            200, {"id": name, "sha": repository.commit, "private": repository.private, "siblings": siblings}
        )

    def _send_resolved(self, path: str) -> None:
        name, _, rest = path.partition("/resolve/")
        commit, _, file = rest.partition("/")
        if not (repository := self._repository(name)):
            return
        if commit != repository.commit:
            self._answer(404, X_Error_Code="RevisionNotFound")
        elif file not in repository.files:
            self._answer(404, X_Error_Code="EntryNotFound")
        elif file.endswith(LARGE):
            data = repository.files[file]
            sha256 = hashlib.sha256(data).hexdigest()
            self.hub.storage[sha256] = data
            self._answer(
                302,
                Location=f"{self.hub.storage_address}/{sha256}/{file}",
                X_Repo_Commit=commit,
                X_Linked_Size=str(len(data)),
                X_Linked_ETag=f'"{sha256}"',
            )
        else:
            self._send_file(file, repository.files[file], X_Repo_Commit=commit)

    def _send_file(self, file: str, data: bytes, **headers: str) -> None:
        data = self.hub.instead.get(file, data)
        start = 0
        if self.hub.ranges and (wanted := self.headers.get("Range")):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.send_response(206 if "Content-Range" in headers else 200)
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        for name, value in {"Content-Length": str(len(data) - start), "ETag": etag, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        cuts = self.hub.cut.get(file)
        end = start + cuts.pop(0) if cuts else len(data)
        self.wfile.write(data[start:end])
        if end < len(data):
            self.wfile.flush()
            self.close_connection = True

    def do_POST(self) -> None:
        if not (begun := self._begin()):
            return
        path, body = begun
        if path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._offer_storage(json.loads(body)["objects"])
        elif repository := self._repository(name := "/".join(path.split("/")[3:5])):
            self._change(name, path, body, repository)

    def _create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        self.hub.repositories[name] = Repository(private=wanted.get("visibility") == "private")
        self._answer(200, {"url": f"{self.hub.address}/{name}"})

    def _offer_storage(self, objects: list[dict[str, Any]]) -> None:
        answers = []
        for one in objects:
            href = f"{self.hub.storage_address}/{one['oid']}"
            there = one["oid"] in self.hub.storage
            answers.append({**one, **({} if there else {"actions": {"upload": {"href": href}}})})
        self._answer(200, {"transfer": "basic", "objects": answers})

    def _change(self, name: str, path: str, body: bytes, repository: Repository) -> None:
        if "/preupload/" in path:
            files = json.loads(body)["files"]
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                }
                for file in files
            ]
            self._answer(200, {"files": modes})
            return
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                repository.files[value["path"]] = self.hub.storage[value["oid"]]
        commit = repository.commit
        url = f"{self.hub.address}/{name}/commit/{commit}"
        self._answer(200, {"commitUrl": url, "commitOid": commit})

    def do_PUT(self) -> None:
        if not (begun := self._begin()):
            return
        path, body = begun
        self.hub.storage[path.strip("/")] = body
        self._answer(200)


def _large_file(data: bytes) -> dict[str, Any]:
    """What the hub says of a large file."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}


class _Server(ThreadingHTTPServer):
    """A server that takes it as it comes when a client hangs up, as a pull that is stopped does."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub and its storage, each listening on a port of its own."""
    hub = Hub()
    servers = []
    for large in (False, True):
        handler = type("Handler", (_Handler,), {"hub": hub, "large": large})
        server = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
    hub.address, hub.storage_address = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


@contextmanager
def hub_in_use(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Hub]:
    """A hub that this process takes for the real one. Nobody is logged in; what others set is put aside."""
    for name in [name for name in os.environ if name.startswith("HF_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    # huggingface-hub reads these once, when it is imported.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "no-token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(home / "no-tokens"))
    monkeypatch.setattr(agent.bundle.download.hub, "RETRY_DELAY_S", 0.0)
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        try:
            yield hub
        finally:
            huggingface_hub.close_session()


def made_bundle(folder: Path, size: int = 300_000) -> Bundle:
    """A bundle whose three files have the right form, `size` bytes and no model in them."""
    folder.mkdir(parents=True)
    for role in ROLES:
        (folder / f"{role}.gguf").write_bytes((b"GGUF" + role.encode() * (size // 6))[:size])
    files: dict[Role, str] = {role: f"{role}.gguf" for role in ROLES}
    return write_bundle(folder, name=folder.name, context_length=2048, files=files, license="MIT")


def repository_of(folder: Path) -> Repository:
    """What the hub holds after the files of a folder were uploaded."""
    return Repository({path.name: path.read_bytes() for path in folder.iterdir()})
