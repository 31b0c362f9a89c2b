"""The task that a process of the bench runs, and the bundle as the bench runs it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from agent.bundle import Bundle, Sampling, load_bundle
from agent.config import EngineSettings, engine_settings
from agent.errors import EngineError
from agent.transcript import ROLES


@dataclass(frozen=True)
class Job:
    """One task of `tui.bench.trace.worker` on the bundle in `folder`.

    `scratch` is a folder for links to model files. `context_length` is in tokens; 0 takes the bundle's own.
    With 0 `threads`, the engine measures how many are fastest.
    """

    task: str
    folder: str
    scratch: str
    context_length: int = 0
    threads: int = 0

    def to_json(self) -> str:
        """Return the job as the argument of a process."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Job:
        """Return the job that `to_json` wrote."""
        return Job(**json.loads(text))

    def settings(self, *, disk: bool = False) -> EngineSettings:
        """Return the user's settings without speculative decoding; `disk` keeps prompt states on disk."""
        settings = replace(engine_settings(), speculate=False, disk=disk)
        return replace(settings, threads=self.threads) if self.threads else settings

    def bundle(self) -> Bundle:
        """Return the bundle with a context that holds the trace, and turns of any length."""
        bundle = load_bundle(Path(self.folder))
        length = self.context_length or bundle.context_length
        roles = {
            role: replace(file, sampling=Sampling(max_tokens=length)) for role, file in bundle.roles.items()
        }
        return replace(bundle, context_length=length, roles=roles)

    def three_models(self) -> Bundle:
        """Return the bundle as three models without adapters: its own, or its one model three times.

        The copies are links under other names and hashes, so that they share no prompt cache.
        """
        bundle = self.bundle()
        if bundle.layout == "merged":
            return bundle
        roles = {}
        for role in ROLES:
            link = Path(self.scratch) / f"{role}.gguf"
            if not link.exists():
                _link(bundle.path(role).resolve(), link)
            file = bundle.roles[role]
            roles[role] = replace(file, file=link.name, sha256=f"{role} {file.sha256}", adapter=None)
        return replace(bundle, folder=Path(self.scratch), layout="merged", roles=roles)

    def one_model(self) -> Bundle:
        """Return the bundle as one model without adapters, the planner's, in all roles."""
        bundle = self.bundle()
        planner = bundle.roles["planner"]
        roles = {
            role: replace(file, file=planner.file, sha256=planner.sha256, size=planner.size, adapter=None)
            for role, file in bundle.roles.items()
        }
        return replace(bundle, layout="single", roles=roles)


def _link(source: Path, target: Path) -> None:
    for link in (os.symlink, os.link, shutil.copyfile):
        try:
            link(source, target)
        except OSError:
            continue
        return
    raise EngineError(f"there is no room for a copy of {source} in {target.parent}", "make room on the disk")
