"""The entry point of `umi`: it runs the command and turns every error into one line and an exit code.

Exit codes: 0 done or answered, 1 a fault of ours, 2 bad usage or input, 3 gave up or unsure, 4 step limit,
5 failed, 130 stopped by Ctrl-C or SIGTERM, 141 the reader of the output left. An error is one line on stderr.
Nothing heavy is imported here or in `tui.cli.tree`: `umi --help` must answer at once.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import sys
from collections.abc import Sequence

from agent.errors import UmiError
from tui.cli.terminal.interrupts import INTERRUPTED
from tui.cli.terminal.log import prepare_log
from tui.cli.terminal.streams import OutputError, discard_stdout, prepare_streams

BROKEN_PIPE = 141
"""What a shell reports for a program whose reader closed the pipe (128 + SIGPIPE)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `umi` with these arguments (default: those of the process) and return its exit code."""
    prepare_streams()
    try:
        prepare_log()
        from tui.cli.tree.root import run

        code = run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except OutputError as error:
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
            f"umi itself failed: {type(error).__name__}: {error}; the details are in the log file, which"
            " `umi doctor` names",
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
