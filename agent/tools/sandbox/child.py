"""The process between umi and confined code: it confines a child of its own, which becomes the code.

It is run as a file, with the standard library alone, and reads its job from stdin as JSON: `argv`, `env`,
`cwd`, `files` (path -> content), `limits` (RLIMIT number -> value), `tasks`, `filter` (base64), and
`ruleset`, the descriptor of a Landlock ruleset or -1.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any, NoReturn

_SET_PARENT_DEATH_SIGNAL = 1
_SET_SECCOMP = 22
_DROP_BOUND = 24
_SET_SECURE_BITS = 28
_SET_NO_NEW_PRIVILEGES = 38
_SECCOMP_FILTER = 2
_NO_ROOT = 0b00001111  # SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP, and both locked
_AMBIENT, _RAISE = 47, 2
_BYPASS_MODES = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
_FIRST_USER = 2_000_000_000  # between the ids of containers and those that systemd advises against
_RESTRICT_SELF = 446  # landlock_restrict_self, the same number on all processors
_CAPABILITY_VERSION = 0x20080522
_CAPABILITIES = 64

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def main() -> NoReturn:
    """Run the job; exit as its program did, with 128 and the signal's number where a signal ended it."""
    job = json.load(sys.stdin.buffer)
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)  # nothing goes on where umi dies
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _run(job)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _run(job: dict[str, Any]) -> NoReturn:
    try:
        os.umask(0o077)
        for path, content in job["files"].items():
            with open(path, "x", encoding="utf-8", errors="surrogatepass") as file:
                file.write(content)
        os.chdir(job["cwd"])
        for name, value in job["limits"].items():
            resource.setrlimit(int(name), (value, value))
        kept = _leave_root()
        tasks = job["tasks"] + _tasks_of_user()
        resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))
        _drop_capabilities(kept)
        _prctl(_SET_NO_NEW_PRIVILEGES, 1)
        if job["ruleset"] >= 0:
            _checked(_libc.syscall(_RESTRICT_SELF, job["ruleset"], 0), "landlock_restrict_self")
            os.close(job["ruleset"])
        steps = base64.b64decode(job["filter"])
        _prctl(_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(_Program(len(steps) // 8, steps)))
        os.execve(job["argv"][0], job["argv"], job["env"])
    except BaseException as error:
        print(f"the code could not be started: {error}", file=sys.stderr, flush=True)
        os._exit(127)


def _leave_root() -> int:
    """Where this is root, become a user that nobody is, and return the capabilities to keep, as bits.

    The kernel's limit of processes does not hold root. The user's files stay open to the code as far as the
    confinement grants them. Where root may not change its user, it stays root, without capabilities.
    """
    if os.geteuid() != 0:
        return 0
    _libc.prctl(_SET_SECURE_BITS, _NO_ROOT, 0, 0, 0)  # refused without the capability: nothing to drop then
    user = _FIRST_USER + os.getpid()
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError:
        return 0
    return _BYPASS_MODES


def _tasks_of_user() -> int:
    """Return how many threads the user of this process has: the kernel's limit counts them all."""
    count = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{name}").st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return count


def _drop_capabilities(kept: int) -> None:
    """Give up every capability for good, but for those whose bits are in `kept`, which programs get too."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, of the first 32 and of the others
    if kept:
        _checked(_libc.capget(header, sets), "capget")
        sets[2] = kept
        _checked(_libc.capset(header, sets), "capset")
    for capability in range(_CAPABILITIES):
        if kept >> capability & 1:
            _prctl(_AMBIENT, _RAISE, capability)
        _libc.prctl(_DROP_BOUND, capability, 0, 0, 0)  # refused to all but root
    _checked(_libc.capset(header, (ctypes.c_uint32 * 6)(kept, kept, kept)), "capset")


def _prctl(option: int, *arguments: Any) -> None:
    values = [
        argument if not isinstance(argument, int) else ctypes.c_ulong(argument) for argument in arguments
    ]
    values += [ctypes.c_ulong(0)] * (4 - len(values))
    _checked(_libc.prctl(option, *values), f"prctl {option}")


def _checked(result: int, name: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
