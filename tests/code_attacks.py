"""Code that tries to get out of the sandbox: it prints, as JSON, what it could do that it must not."""

from __future__ import annotations

ESCAPES = """
import ctypes, json, os, platform, resource, signal, socket, sys
job = json.loads(JOB)
libc = ctypes.CDLL(None, use_errno=True)
own = os.environ["TMPDIR"]
arm = platform.machine() == "aarch64"
done = []

def attempt(name, action):
    try:
        result = action()
    except BaseException as error:
        return
    if result != -1:
        done.append(f"{name}: {result!r}"[:200])

def read(path):
    with open(path) as file:
        return file.read(200) or -1

def write(path):
    with open(path, "w") as file:
        file.write("changed")

def connect(family, kind, address):
    with socket.socket(family, kind) as made:
        made.connect(address)

for path in job["unreadable"]:
    attempt(f"read {path}", lambda: read(path))
    attempt(f"link to {path}", lambda: (os.link(path, own + "/hard"), read(own + "/hard")))
    attempt(f"symlink to {path}", lambda: (os.symlink(path, own + "/soft"), read(own + "/soft")))
for path in job["unwritable"]:
    attempt(f"write {path}", lambda: write(path))
    attempt(f"append to {path}", lambda: os.close(os.open(path, os.O_WRONLY | os.O_APPEND)))
    attempt(f"truncate {path}", lambda: os.truncate(path, 0))
    attempt(f"remove {path}", lambda: os.unlink(path))
    attempt(f"rename {path}", lambda: os.rename(path, path + "x"))
    attempt(f"mode of {path}", lambda: os.chmod(path, 0o777))
    attempt(f"time of {path}", lambda: os.utime(path, (1, 1)))
    attempt(f"attribute of {path}", lambda: os.setxattr(path, "user.x", b"x"))
    attempt(f"folder beside {path}", lambda: os.mkdir(os.path.dirname(path) + "/made"))
attempt("TCP", lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", job["port"])))
attempt("UDP", lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53)))
attempt("TCP over IPv6", lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("::1", job["port"])))
attempt("Unix socket", lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, job["socket"]))
attempt("abstract socket", lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\\0" + job["abstract"]))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).fileno())
attempt("datagram pair", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].fileno())
for number, name in ((0, "signal"), (signal.SIGCONT, "signal")):
    attempt(name, lambda: os.kill(job["pid"], number))
attempt("limits of another process", lambda: resource.prlimit(job["pid"], resource.RLIMIT_CORE))
attempt("memory of another process", lambda: read(f"/proc/{job['pid']}/environ"))
attempt("new session", os.setsid)
attempt("new group", lambda: os.setpgid(0, 0))
calls = {
    "unshare": (97 if arm else 272, 0x10000000),
    "clone into a namespace": (220 if arm else 56, 0x10000000 | 17, 0, 0, 0, 0),
    "clone3": (435, 0, 0),
    "io_uring": (425, 1, 0),
    "memfd": (279 if arm else 319, b"x", 0),
    "ptrace": (117 if arm else 101, 0, 0, 0, 0),
    "keyctl": (219 if arm else 250, 0, -3, 0, 0, 0),
    "bpf": (280 if arm else 321, 0, 0, 0),
    "shared memory": (194 if arm else 29, 0, 4096, 0o1666),
    "a call from the future": (500, 0),
}
for name, (number, *arguments) in calls.items():
    attempt(name, lambda: libc.syscall(number, *arguments))
attempt("mount", lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
for variable in ("UMI_HOME", "SECRET_TOKEN"):
    attempt(f"variable {variable}", lambda: os.environ[variable])
for number in range(3, 40):
    attempt(f"descriptor {number}", lambda: os.fstat(number).st_ino if number not in job["expected"] else -1)
print(json.dumps(done))
"""
FORK_BOMBS = (
    "bomb() { bomb | bomb & }; bomb; sleep 30",
    "while true; do sleep 30 & done",
)
