"""The last conversation of `umi ask` in each workspace, kept on disk for `--continue`.

One file a workspace in the user's data folder, readable by its owner only and replaced in one step.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from agent.errors import InputError
from agent.paths import data_folder, read_json, write_private
from agent.transcript import Transcript, Turn, compact, transcript_to_json
from agent.transcript.validation import InvalidFields, validate


def conversation_path(workspace: Path) -> Path:
    """Return the file of a workspace, whose path has no symbolic links. It need not exist."""
    digest = hashlib.sha256(os.fsencode(workspace)).hexdigest()
    return data_folder() / "conversations" / f"{digest[:32]}.json"


def save_turns(workspace: Path, transcript: Transcript) -> None:
    """Keep `transcript` as the last conversation in `workspace`.

    Raises OSError where it cannot be written, and UnicodeEncodeError for half of a surrogate pair.
    """
    path = conversation_path(workspace)
    write_private(path, compact({"workspace": os.fspath(workspace), **transcript_to_json(transcript)}))


def load_turns(workspace: Path) -> tuple[Turn, ...]:
    """Return the turns of the last conversation in `workspace`.

    Raises InputError where there is none, or none that can be read.
    """
    path = conversation_path(workspace)
    start_anew = "ask without --continue"
    try:
        value = read_json(path)
        return validate(Transcript, {"tools": value["tools"], "turns": value["turns"]}).turns
    except FileNotFoundError:
        raise InputError(f"nothing was asked in {workspace} so far", start_anew) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", start_anew) from None
    except (InvalidFields, ValueError, TypeError, KeyError):
        raise InputError(f"{path} is damaged", start_anew) from None
