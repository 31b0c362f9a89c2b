"""Downloads from and uploads to the Hugging Face Hub.

Besides `agent.tools.web`, it is the only module that opens network connections. Only the commands `pull` and
`push` and the app's models screen use it; `package_index` runs pip or uv. A
download requests the files of one commit over plain HTTP, so that it can be resumed: huggingface-hub 2.4
deletes a partial file when it is interrupted. Uploads use huggingface-hub. `HF_ENDPOINT`, `HF_TOKEN`,
`HF_HUB_OFFLINE` and the token stored by `hf auth login` apply.
"""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.bundle.download.rate import RateWatch
from agent.errors import InputError, UmiError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TIMEOUT_S = 20.0
"""Maximum time that a server may stay silent, in seconds."""
MAX_FAILURES = 3
"""Number of consecutive broken connections without progress after which a download fails."""
RETRY_DELAY_S = 1.0
"""Time between a broken connection and the next one, in seconds."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+)(?:@(.+))?", re.ASCII)


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit, which is immutable."""

    repo: str
    commit: str
    files: Mapping[str, int | None]
    """Name -> size in bytes, None if the hub does not state it."""
    private: bool
    sha256: Mapping[str, str] = field(default_factory=dict)
    """Name -> hash of a large file, in hexadecimal, as the hub states it."""


def parse_repository(text: str, *, revisions: bool = True) -> tuple[str, str | None]:
    """Return `OWNER/NAME` and the revision of `OWNER/NAME[@REVISION]`. Raise InputError for other texts."""
    match = _REPOSITORY.fullmatch(text)
    if not match or (match[2] and not revisions):
        raise InputError(f"{text!r} is not a repository of the hub", "give it as OWNER/NAME")
    return match[1], match[2]


def look_up(repo: str, revision: str | None = None) -> Snapshot:
    """Return the commit that `revision` (a branch, tag or commit; default: main) of a model repository is at.

    Raise UmiError if the hub fails, InputError if the user can mend it (wrong name, no access, offline).
    """
    with _translated_errors("looking at", repo, revision):
        info = _api().model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT_S)
        if not _COMMIT.fullmatch(info.sha or ""):
            raise ValueError("the answer names no commit")
        files = {file.rfilename: file.size for file in info.siblings or ()}
        hashes = {file.rfilename: file.lfs.sha256 for file in info.siblings or () if file.lfs}
        return Snapshot(repo, str(info.sha), files, bool(info.private), hashes)


def read_file(snapshot: Snapshot, name: str, limit: int) -> bytes:
    """Return a file's contents. Raise InputError if it exceeds `limit` bytes; other errors as `look_up`."""
    data = b""
    watch = RateWatch(f"reading {snapshot.repo}")
    with _translated_errors("reading", snapshot.repo), _open_response(snapshot, name) as response:
        for chunk in response.iter_bytes():
            data += chunk
            watch.check(len(data))
            if len(data) > limit:
                raise InputError(
                    f"{snapshot.repo}: {name} has more than {limit:,} bytes",
                    "tell its author: that is not a manifest",
                )
    return data


def download(snapshot: Snapshot, name: str, target: Path, size: int) -> Generator[int]:
    """Download a file of `size` bytes to `target`, resuming after the bytes there; yield the bytes so far.

    A broken connection is retried, one whose rate is too low for a minute is not. The bytes received stay in
    `target` in all cases; the caller verifies their hash. Raise InputError if the file has another size;
    other errors as `look_up`. Since progress is yielded, an exception of the code that displays it is neither
    retried nor translated.
    """
    from httpx2 import TransportError

    failures, watch = 0, RateWatch(f"downloading {snapshot.repo}")
    with _translated_errors("downloading", snapshot.repo):
        while True:
            before = _file_size(target)
            try:
                for done in _append(snapshot, name, target, size):
                    watch.check(done)
                    yield done
                break
            except TransportError:
                failures = 0 if _file_size(target) > before else failures + 1
                if failures == MAX_FAILURES:
                    raise
                time.sleep(RETRY_DELAY_S)
        if _file_size(target) != size:
            raise _wrong_size(snapshot, name, f"{_file_size(target):,}", size)


def upload(repo: str, files: Mapping[str, Path], *, private: bool, say: Callable[[str], None]) -> str:
    """Upload files, by their names in the repository, in one commit; return the repository's URL.

    The repository is created if it does not exist. Large files that an earlier upload completed are not sent
    again. Raise InputError, before anything is sent, without a token and if `private` is requested of a
    public repository; other errors as `look_up`.
    """
    sizes = {name: path.stat().st_size for name, path in files.items()}
    say(f"to {_endpoint()}/{repo}{' (private)' if private else ''}:")
    for name, size in sizes.items():
        say(f"  {name}  {megabytes(size)}")
    say(f"  {len(files)} files, {megabytes(sum(sizes.values()))}")
    with _translated_errors("uploading to", repo), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # huggingface-hub 2.4 calls a deprecated function of httpx2
        api = _api()
        if not _library().get_token():
            raise InputError("uploading needs a token of the hub", "log in with: hf auth login")
        if not _exists(api, repo):
            api.create_repo(repo, private=private)
        elif private and not api.model_info(repo, timeout=TIMEOUT_S).private:
            raise InputError(
                f"{repo} exists and is public",
                "make it private in its settings on the hub, or name another one",
            )
        additions = [_library().CommitOperationAdd(name, path) for name, path in files.items()]
        api.create_commit(repo, additions, commit_message="Upload with umi")
    return f"{_endpoint()}/{repo}"


def megabytes(size: int) -> str:
    """Return a number of bytes in MB (10^6 bytes)."""
    return f"{size / 1e6:,.2f} MB"


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _library() -> Any:
    """Return huggingface-hub, without the telemetry with which version 2.4 reports the calling program."""
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
        if error.response.status_code == 401:  # an expired token says nothing about the repository
            raise
        return False
    return True


@contextmanager
def _open_response(snapshot: Snapshot, name: str, start: int = 0) -> Iterator[Any]:
    """Request a file from byte `start` on. The token is not sent to other hosts on redirects."""
    library = _library()
    url = library.hf_hub_url(snapshot.repo, name, revision=snapshot.commit, endpoint=_endpoint())
    headers = {**library.utils.build_hf_headers(library_name="umi"), "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with library.get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_S) as response:
        library.utils.hf_raise_for_status(response)
        yield response


def _append(snapshot: Snapshot, name: str, target: Path, size: int) -> Iterator[int]:
    """Append the missing bytes to `target` over one connection; yield the bytes so far."""
    with target.open("ab") as out:
        done = out.tell()
        if done == size:
            return
        with _open_response(snapshot, name, done) as response:
            if response.status_code != 206:  # the server ignored the range and sends the whole file
                out.truncate(0)
                done = 0
            for chunk in response.iter_bytes():
                done += len(chunk)
                if done > size:
                    raise _wrong_size(snapshot, name, f"more than {size:,}", size)
                out.write(chunk)
                yield done


def _file_size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _wrong_size(snapshot: Snapshot, name: str, found: str, size: int) -> InputError:
    return InputError(
        f"{snapshot.repo}: {name} has {found} bytes on the hub, and its manifest says {size:,}",
        "tell its author, or pull another revision: umi models pull OWNER/NAME@REVISION",
    )


@contextmanager
def _translated_errors(action: str, repo: str, revision: str | None = None) -> Iterator[None]:
    """Turn the exceptions of huggingface-hub, httpx2 and the file system into UmiError.

    On an unexpected answer huggingface-hub raises nearly any exception. No code of the caller runs inside.
    """
    import httpx2

    try:
        yield
    except UmiError:
        raise
    except (
        *(httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError),
        *(ValueError, TypeError, KeyError, AttributeError),
    ) as error:
        raise _user_error(error, action, repo, revision) from None


def _user_error(error: Exception, action: str, repo: str, revision: str | None) -> UmiError:
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
    details = " ".join(str(error).split())[:300]
    retry = "give the same command again; what was finished is kept"
    match error:
        case OfflineModeIsEnabled():
            return InputError("HF_HUB_OFFLINE is set, so the hub is not asked", f"unset it and {retry}")
        case GatedRepoError():
            return InputError(
                f"{repo} is gated", f"ask for access at {_endpoint()}/{repo}, then log in with: hf auth login"
            )
        case RevisionNotFoundError():
            return InputError(f"{repo} has no revision {revision}", f"see {_endpoint()}/{repo}/tree/main")
        case _ if isinstance(error, RepositoryNotFoundError) or status == 401:
            if _library().get_token():
                return InputError(
                    f"{repo} does not exist, or your token has no access to it",
                    "check the name, or log in with another token: hf auth login",
                )
            return InputError(
                f"{repo} does not exist, or it is private", "check the name; for a private one: hf auth login"
            )
        case _ if status == 403:
            return InputError(
                f"{action} {repo}: your token does not allow that", "log in with one that does: hf auth login"
            )
        case HfHubHTTPError():
            return UmiError(f"{action} {repo}: the hub answered {status}", f"wait a little and {retry}")
        case httpx2.HTTPError():
            return UmiError(
                f"{action} {repo}: {_endpoint()} cannot be reached ({details or type(error).__name__})",
                f"check the connection and {retry}",
            )
        case OSError() if error.errno:
            return UmiError(f"{action} {repo} stopped: {error.strerror}", f"mend that and {retry}")
    return UmiError(f"{action} {repo} failed: {details or type(error).__name__}", retry)
