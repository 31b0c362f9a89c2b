"""A seccomp filter that refuses system calls that neither bubblewrap nor Landlock confines.

The filter is a classic BPF program over `struct seccomp_data` (seccomp(2), linux/filter.h). Refused are all
sockets but pairs of streams, new namespaces and mounts, new sessions and process groups (so that a signal to
the group reaches every process of a run), memory outside the limits, and what acts on processes or files
without opening them. Calls that are newer than `LAST_KNOWN` do not exist for the code.
"""

from __future__ import annotations

import errno
import platform
import struct

LAST_KNOWN = 470
"""The highest number of a system call that was looked at (Linux 6.17)."""

# Name -> its number on x86-64 and on AArch64; None where it does not exist.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # network
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # sessions and groups
    "setsid": (112, 157),
    "setpgid": (109, 154),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    # memory and messages that outlive a process or no limit counts
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semctl": (66, 191),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    # the kernel itself
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    "inotify_add_watch": (254, 27),
    "open_by_handle_at": (304, 265),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
}
_REFUSED_WITH_LANDLOCK: dict[str, tuple[int | None, int | None]] = {
    # Landlock does not look at these (Documentation/userspace-api/landlock.rst, "Filesystem actions").
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}
_OF_ITSELF = {"prlimit64": (302, 261), "sched_setaffinity": (203, 122)}
"""Calls whose first argument is a process: 0 is the caller, and others are refused."""
_SOCKETPAIR = (53, 199)
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""The column in the tables, and `AUDIT_ARCH_…` (linux/audit.h)."""

_NEW_NAMESPACES = 0x7E020000  # CLONE_NEW… of linux/sched.h
_X32 = 0x40000000  # the second table of system calls on x86-64
_AF_UNIX = 1
_SOCK_STREAM = 1
_SOCK_TYPE = 0xF

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_KILL, _ALLOW, _ERROR = 0x80000000, 0x7FFF0000, 0x00050000


def is_supported(machine: str = "") -> bool:
    """Return whether there is a filter for this processor, or for `machine` as `uname -m` calls it."""
    return (machine or platform.machine()) in _ARCHITECTURES


def filter_program(*, landlock: bool, machine: str = "") -> bytes:
    """Return the instructions, each a `struct sock_filter` of 8 bytes, for a run with Landlock or without."""
    column, architecture = _ARCHITECTURES[machine or platform.machine()]
    refused = _REFUSED | (_REFUSED_WITH_LANDLOCK if landlock else {})
    program = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_EQUAL, architecture, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_JUMP_AT_LEAST, _X32, 0, 1),
        _step(_RETURN, _KILL),
        *_answer(_JUMP_AT_LEAST, LAST_KNOWN + 1, errno.ENOSYS),
        # Without it, the C library makes threads by `clone`, whose flags can be read here.
        *_answer(_JUMP_EQUAL, _CLONE3[column], errno.ENOSYS),
    ]
    for numbers in refused.values():
        if (number := numbers[column]) is not None:
            program += _answer(_JUMP_EQUAL, number, errno.EPERM)
    program += _guarded(
        _CLONE[column],
        [_step(_LOAD, _ARGUMENTS), *_answer(_JUMP_ANY_BIT, _NEW_NAMESPACES, errno.EPERM)],
    )
    for numbers in _OF_ITSELF.values():
        itself = [_step(_LOAD, _ARGUMENTS), _step(_JUMP_EQUAL, 0, 1, 0), _step(_RETURN, _ERROR | errno.EPERM)]
        program += _guarded(numbers[column], itself)
    pair = [
        _step(_LOAD, _ARGUMENTS),
        _step(_JUMP_EQUAL, _AF_UNIX, 1, 0),
        _step(_RETURN, _ERROR | errno.EPERM),
        _step(_LOAD, _ARGUMENTS + 8),
        _step(_AND, _SOCK_TYPE),
        _step(_JUMP_EQUAL, _SOCK_STREAM, 1, 0),
        _step(_RETURN, _ERROR | errno.EPERM),
    ]
    program += _guarded(_SOCKETPAIR[column], pair)
    return b"".join([*program, _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _answer(jump: int, value: int, error: int) -> list[bytes]:
    """Return the steps that fail with `error` where the comparison with `value` holds."""
    return [_step(jump, value, 0, 1), _step(_RETURN, _ERROR | error)]


def _guarded(number: int, steps: list[bytes]) -> list[bytes]:
    """Return `steps` for the call `number` alone, which is allowed where they come to no answer."""
    body = [*steps, _step(_RETURN, _ALLOW)]
    return [_step(_JUMP_EQUAL, number, 0, len(body)), *body]
