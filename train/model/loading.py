"""How transformers may load a folder: from the disk, without code of its own, without pickles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.errors import InputError

NO_CODE: Mapping[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""For configurations and tokenizers: `auto_map` neither asks nor runs anything."""
NO_PICKLES: Mapping[str, Any] = {**NO_CODE, "use_safetensors": True}
"""For weights."""


def cannot_load(folder: Path | str, what: str, error: Exception) -> InputError:
    """Return the error to raise where transformers cannot load `folder`; `what` says what it is not then."""
    reason = " ".join(str(error).split())
    if "trust_remote_code" in reason:
        return InputError(
            f"{folder} {what}: it brings code of its own to run (auto_map)",
            "take a checkpoint of an architecture that transformers has",
        )
    return InputError(f"{folder} {what}: {reason}", "check the checkpoint folder")
