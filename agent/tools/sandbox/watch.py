"""A child process watched from outside: what it prints, how long it takes, and what its processes use."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.tools.lib.time_limit import check_time
from agent.tools.sandbox.limits import MIB, Limits

TICK_S = 0.02
"""Seconds between two looks at the least; a look takes at most a tenth of the time."""
MAX_FILES = 10_000
"""Files and folders in a folder that can be written, at most."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run. `stopped` is why it was ended, or an empty text; then `exit_code` says nothing."""

    output: bytes
    exit_code: int
    stopped: str = ""


def watch(
    process: subprocess.Popen[bytes], limits: Limits, own_tasks: int, folders: Sequence[Path]
) -> Outcome:
    """Wait for `process`, which leads a process group and a pipe as stdout, and end the group after it.

    `own_tasks` are umi's own in the group, `folders` those whose size is limited. Raise CallEndedError
    where the call of the tool was cancelled or its time is up.
    """
    output = bytearray()
    stopped = ""
    try:
        stopped = _until_exit(process, limits, own_tasks, folders, output)
    finally:
        # Nobody can leave the group (`system_calls`), and its number is taken until the leader is waited for.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            _read(process.stdout.fileno(), output, limits.output_bytes)
            process.stdout.close()
    if not stopped and len(output) > limits.output_bytes:
        stopped = _too_much_output(limits)
    return Outcome(bytes(output[: limits.output_bytes]), process.returncode, stopped)


def _until_exit(
    process: subprocess.Popen[bytes],
    limits: Limits,
    own_tasks: int,
    folders: Sequence[Path],
    output: bytearray,
) -> str:
    """Read until the leader exits; return why it must be ended before, or an empty text."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    started = time.monotonic()
    pause = TICK_S
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        looked = 0.0
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if selector.get_map():
                if selector.select(pause) and not _read(pipe, output, limits.output_bytes):
                    selector.unregister(pipe)
            else:
                time.sleep(pause)
            check_time()
            now = time.monotonic()
            if len(output) > limits.output_bytes:
                return _too_much_output(limits)
            if now - started > limits.time_s:
                return f"it took longer than {limits.time_s:g} seconds"
            if now - looked >= pause:
                if reason := _excess(process.pid, limits, own_tasks, folders):
                    return reason
                looked = time.monotonic()
                pause = max(TICK_S, 10 * (looked - now))
    return ""


def _too_much_output(limits: Limits) -> str:
    return f"it printed more than {limits.output_bytes // 1024} KiB"


def _read(pipe: int, output: bytearray, limit: int) -> bool:
    """Add what is in the pipe, to a little over `limit` bytes; return whether more may come."""
    while len(output) <= limit:
        try:
            chunk = os.read(pipe, 65536)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        output += chunk
    return True


def _excess(group: int, limits: Limits, own_tasks: int, folders: Sequence[Path]) -> str:
    """Return which limit the processes of a group exceed, or an empty text."""
    tasks, memory = _use_of_group(group)
    if tasks > limits.tasks + own_tasks:
        return f"it ran more than {limits.tasks} processes and threads at once"
    if memory > limits.memory_bytes:
        return f"it took more than {limits.memory_bytes // MIB} MiB of memory"
    for folder in folders:
        if _is_larger(folder, limits.folder_bytes):
            return f"it wrote more than {limits.folder_bytes // MIB} MiB or {MAX_FILES} files"
    return ""


def _use_of_group(group: int) -> tuple[int, int]:
    """Return how many threads the processes of a group have, and their resident memory in bytes."""
    tasks = pages = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()  # from the third one on, see proc(5)
        except OSError:
            continue
        if len(fields) > 21 and int(fields[2]) == group:
            tasks += int(fields[17])
            pages += int(fields[21])
    return tasks, pages * os.sysconf("SC_PAGE_SIZE")


def _is_larger(folder: Path, limit: int) -> bool:
    """Return whether the files below a folder take more than `limit` bytes, or are more than `MAX_FILES`."""
    size = count = 0
    pending = [os.fspath(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    count += 1
                    if count > MAX_FILES:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return size > limit
