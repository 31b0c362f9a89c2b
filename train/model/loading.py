"""How transformers, peft and bitsandbytes load models: from the disk, without a folder's code or pickles.

Warnings of these libraries that nobody can act on are silenced here.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.errors import InputError

NO_CODE: Mapping[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""For configurations and tokenizers: `auto_map` neither asks nor runs anything."""
NO_PICKLES: Mapping[str, Any] = {**NO_CODE, "use_safetensors": True}
"""For weights."""


def silence_bitsandbytes() -> None:
    """Silence the warning of an optional kernel package that bitsandbytes logs when it is imported on a CPU.

    To be called before bitsandbytes, or peft, which imports it, is imported.
    """
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


@contextmanager
def peft_warnings_ignored() -> Iterator[None]:
    """Ignore FutureWarning within the block: peft 0.21 reads an attribute that transformers 5 renamed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def cannot_load(folder: Path | str, what: str, error: Exception) -> InputError:
    """Return the error to raise if transformers cannot load `folder`; `what` says what is wrong with it."""
    reason = " ".join(str(error).split())
    if "trust_remote_code" in reason:
        return InputError(
            f"{folder} {what}: it brings code of its own to run (auto_map)",
            "take a checkpoint of an architecture that transformers has",
        )
    return InputError(f"{folder} {what}: {reason}", "check the checkpoint folder")
