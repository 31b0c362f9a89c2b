"""The Hugging Face hub: the only module that talks to a network, and only for the commands `pull` and `push`.

A download is plain HTTP of one commit, and goes on where it stopped: huggingface-hub 2.4 deletes what it has
of a file when it is stopped. Uploads are huggingface-hub's. `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE` and
what `hf auth login` stored count as they do there.
"""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import InputError, UmiError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TIMEOUT_S = 20.0
"""How long a server may stay silent."""
FAILURES = 3
"""So many broken connections in a row that brought nothing end a download."""
PAUSE_S = 1.0
"""Between a broken connection and the next."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+)(?:@(.+))?", re.ASCII)


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit: what it holds does not change any more."""

    repo: str
    commit: str
    files: Mapping[str, int | None]
    """Name -> size in bytes, None where the hub does not say."""
    private: bool


def parse_repository(text: str, *, revisions: bool = True) -> tuple[str, str | None]:
    """Owner/name and the revision of `OWNER/NAME[@REVISION]`. Raises InputError for anything else."""
    match = _REPOSITORY.fullmatch(text)
    if not match or (match[2] and not revisions):
        raise InputError(f"{text!r} is no repository of the hub", "give it as OWNER/NAME")
    return match[1], match[2]


def look_up(repo: str, revision: str | None = None) -> Snapshot:
    """A repository of models as it is now at `revision` (a branch, tag or commit; by default main).

    Raises UmiError where it cannot be seen, InputError where that is for the person to mend.
    """
    with _told("looking at", repo, revision):
        info = _api().model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT_S)
        if not _COMMIT.fullmatch(info.sha or ""):
            raise ValueError("the answer names no commit")
        files = {file.rfilename: file.size for file in info.siblings or ()}
        return Snapshot(repo, str(info.sha), files, bool(info.private))


def read(snapshot: Snapshot, name: str, limit: int) -> bytes:
    """A small file. Raises InputError where it has more than `limit` bytes, and as `look_up` does."""
    data = b""
    with _told("reading", snapshot.repo), _opened(snapshot, name) as response:
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > limit:
                raise InputError(
                    f"{snapshot.repo}: {name} has more than {limit:,} bytes",
                    "tell its author: that is no manifest",
                )
    return data


def fetch(snapshot: Snapshot, name: str, to: Path, size: int, tell: Callable[[int], object]) -> None:
    """Download a file of `size` bytes to `to`, going on behind what is there; `tell` gets the bytes so far.

    A broken connection is made again. What came stays in `to`, whatever happens; it is for the caller to
    compare it with a hash. Raises InputError where the file has another size, and as `look_up` does.
    """
    from httpx2 import TransportError

    failures = 0
    with _told("downloading", snapshot.repo):
        while True:
            before = _length(to)
            try:
                _append(snapshot, name, to, size, tell)
                break
            except TransportError:
                failures = 0 if _length(to) > before else failures + 1
                if failures == FAILURES:
                    raise
                time.sleep(PAUSE_S)
        if _length(to) != size:
            raise _other_size(snapshot, name, f"{_length(to):,}", size)


def upload(repo: str, files: Mapping[str, Path], *, private: bool, say: Callable[[str], None]) -> str:
    """Put files (by their names there) into a repository in one commit; returns the repository's address.

    A repository that is not there is made. Large files that an upload before this one finished are not sent
    again. Raises InputError, before anything is sent, without a token and where `private` is asked of a
    repository that is public; otherwise as `look_up`.
    """
    sizes = {name: path.stat().st_size for name, path in files.items()}
    say(f"to {_endpoint()}/{repo}{' (private)' if private else ''}:")
    for name, size in sizes.items():
        say(f"  {name}  {megabytes(size)}")
    say(f"  {len(files)} files, {megabytes(sum(sizes.values()))}")
    with _told("uploading to", repo), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # huggingface-hub 2.4 uploads in a way that httpx2 calls outdated
        api = _api()
        if not _library().get_token():
            raise InputError("uploading needs a token of the hub", "log in with: hf auth login")
        if not _exists(api, repo):
            api.create_repo(repo, private=private)
        elif private and not api.model_info(repo, timeout=TIMEOUT_S).private:
            raise InputError(
                f"{repo} is there and public",
                "make it private in its settings on the hub, or name another one",
            )
        additions = [_library().CommitOperationAdd(name, path) for name, path in files.items()]
        api.create_commit(repo, additions, commit_message="Upload with umi")
    return f"{_endpoint()}/{repo}"


def megabytes(size: int) -> str:
    """A number of bytes in MB (10^6)."""
    return f"{size / 1e6:,.2f} MB"


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _library() -> Any:
    """huggingface-hub without telemetry: with it, 2.4 fetches a list of programs and says which one calls."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub

    return huggingface_hub


def _api() -> HfApi:
    return _library().HfApi(endpoint=_endpoint(), library_name="umi")


def _exists(api: HfApi, repo: str) -> bool:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        api.model_info(repo, timeout=TIMEOUT_S)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError as error:
        if (
            error.response.status_code == 401
        ):  # the token is no longer good: nothing is known of the repository
            raise
        return False
    return True


@contextmanager
def _opened(snapshot: Snapshot, name: str, start: int = 0) -> Iterator[Any]:
    """The answer to a request for a file from byte `start` on. A token does not follow to another host."""
    library = _library()
    url = library.hf_hub_url(snapshot.repo, name, revision=snapshot.commit, endpoint=_endpoint())
    headers = {**library.utils.build_hf_headers(library_name="umi"), "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with library.get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_S) as response:
        library.utils.hf_raise_for_status(response)
        yield response


def _append(snapshot: Snapshot, name: str, to: Path, size: int, tell: Callable[[int], object]) -> None:
    with to.open("ab") as out:
        done = out.tell()
        if done == size:
            return
        with _opened(snapshot, name, done) as response:
            if response.status_code != 206:  # the whole file comes, not the rest of it
                out.truncate(0)
                done = 0
            for chunk in response.iter_bytes():
                done += len(chunk)
                if done > size:
                    raise _other_size(snapshot, name, f"more than {size:,}", size)
                out.write(chunk)
                tell(done)


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _other_size(snapshot: Snapshot, name: str, found: str, size: int) -> InputError:
    return InputError(
        f"{snapshot.repo}: {name} has {found} bytes on the hub, and its manifest says {size:,}",
        "tell its author, or pull another revision: umi models pull OWNER/NAME@REVISION",
    )


@contextmanager
def _told(doing: str, repo: str, revision: str | None = None) -> Iterator[None]:
    """Turn what huggingface-hub raises into one line: nearly anything, on an answer it did not expect."""
    import httpx2

    try:
        yield
    except UmiError:
        raise
    except (
        *(httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError),
        *(ValueError, TypeError, KeyError, AttributeError),
    ) as error:
        raise _explained(error, doing, repo, revision) from None


def _explained(error: Exception, doing: str, repo: str, revision: str | None) -> UmiError:
    import httpx2
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    while isinstance(error.__cause__, Exception) and not isinstance(error, (httpx2.HTTPError, OSError)):
        error = error.__cause__
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
    said = " ".join(str(error).split())[:300]
    again = "give the same command again; what was finished is kept"
    match error:
        case OfflineModeIsEnabled():
            return InputError("HF_HUB_OFFLINE is set, so the hub is not asked", f"unset it and {again}")
        case GatedRepoError():
            return InputError(
                f"{repo} is gated", f"ask for access at {_endpoint()}/{repo}, then log in with: hf auth login"
            )
        case RevisionNotFoundError():
            return InputError(f"{repo} has no revision {revision}", f"see {_endpoint()}/{repo}/tree/main")
        case _ if isinstance(error, RepositoryNotFoundError) or status == 401:
            if _library().get_token():
                return InputError(
                    f"{repo} is not there, or your token does not open it",
                    "check the name, or log in with another token: hf auth login",
                )
            return InputError(
                f"{repo} is not there, or it is private", "check the name; for a private one: hf auth login"
            )
        case _ if status == 403:
            return InputError(
                f"{doing} {repo}: your token does not allow that", "log in with one that does: hf auth login"
            )
        case HfHubHTTPError():
            return UmiError(f"{doing} {repo}: the hub answered {status}", f"wait a little and {again}")
        case httpx2.HTTPError():
            return UmiError(
                f"{doing} {repo}: {_endpoint()} cannot be reached ({said or type(error).__name__})",
                f"check the connection and {again}",
            )
        case OSError() if error.errno:
            return UmiError(f"{doing} {repo} stopped: {error.strerror}", f"mend that and {again}")
    return UmiError(f"{doing} {repo} failed: {said or type(error).__name__}", again)
