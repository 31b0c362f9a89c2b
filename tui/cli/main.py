"""The entry point of `umi`: it runs the command and turns every error into one line and an exit code.

Exit codes: 0 done or answered, 1 a fault of ours, 2 bad usage or input, 3 gave up or unsure, 4 step limit,
5 failed, 130 stopped by Ctrl-C, 141 the reader of the output left. An error is one line on stderr. Nothing
heavy is imported here or in `tui.cli.tree`: `umi --help` must answer at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import sys
from collections.abc import Sequence

from agent.errors import InputError, UmiError
from tui.cli.interrupts import INTERRUPTED
from tui.cli.streams import OutputFailed, discard_stdout, prepare_streams

BROKEN_PIPE = 141
"""What a shell reports for a program whose reader closed the pipe (128 + SIGPIPE)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `umi` with these arguments (default: those of the process) and return its exit code."""
    prepare_streams()
    try:
        _prepare_log()
        from tui.cli.tree.root import run

        code = run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except OutputFailed as error:
        discard_stdout()
        return _report(str(error), error.exit_code)
    except UmiError as error:
        return _report(str(error), error.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        discard_stdout()
        return BROKEN_PIPE
    except Exception as error:
        logging.getLogger("umi").exception("umi failed")
        if isinstance(error, (MemoryError, ImportError)) and (limit := _address_space_limit()):
            return _report(
                f"memory does not suffice: this process is limited to {limit / 1e9:.2f} GB; raise the limit"
                " (ulimit -v unlimited)",
                UmiError.exit_code,
            )
        return _report(
            f"umi itself failed: {type(error).__name__}: {error}; for the details, set UMI_LOG=umi.log",
            UmiError.exit_code,
        )


def _report(message: str, code: int) -> int:
    """Print `message` as one line on stderr and return `code`."""
    from tui.text import one_line

    with contextlib.suppress(BrokenPipeError):
        print(f"umi: {one_line(message)}", file=sys.stderr)
    return code


def _address_space_limit() -> int:
    """Return the limit of this process's address space in bytes; 0 where there is none."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return 0 if limit == resource.RLIM_INFINITY else limit


def _prepare_log() -> None:
    """Send the log to the file that UMI_LOG names, else nowhere: a traceback would tear the screen."""
    path = os.environ.get("UMI_LOG")
    handler: logging.Handler = logging.NullHandler()
    if path:
        try:
            # Made for its owner alone; a FIFO without a reader is an error and not waited for.
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600))
            handler = logging.FileHandler(path, encoding="utf-8")
        except OSError as error:
            raise InputError(f"UMI_LOG: cannot write {path}: {error.strerror}", "name another file") from None
    logging.basicConfig(handlers=[handler], level=logging.INFO)
