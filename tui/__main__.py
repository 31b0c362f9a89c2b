"""The `umi` command: runs it and turns whatever goes wrong into one line and an exit code.

Nothing heavy is imported here or in `tui.cli.tree`: `umi --help` must answer at once.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Sequence

from agent.errors import InputError, UmiError

BROKEN_PIPE = 141
"""What a shell reports for a program that the reader of its output left (128 + SIGPIPE)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `umi` with these arguments and return its exit code (see `tui.cli.tree`)."""
    _prepare_streams()
    try:
        _prepare_log()
        from tui.cli.tree import run

        code = run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except UmiError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _leave_stdout()
        return BROKEN_PIPE
    except Exception as error:
        logging.getLogger("umi").exception("umi failed")
        return _fail(
            f"umi itself failed: {type(error).__name__}: {error}; for the details, set UMI_LOG=umi.log",
            1,
        )


def _fail(message: str, code: int) -> int:
    from tui.text import one_line

    with contextlib.suppress(BrokenPipeError):
        print(f"umi: {one_line(message)}", file=sys.stderr)
    return code


def _prepare_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _prepare_log() -> None:
    """Send the log to the file that UMI_LOG names, else nowhere: a traceback would tear the screen."""
    path = os.environ.get("UMI_LOG")
    handler: logging.Handler = logging.NullHandler()
    if path:
        try:
            handler = logging.FileHandler(path, encoding="utf-8")
        except OSError as error:
            raise InputError(f"UMI_LOG: cannot write {path}: {error.strerror}", "name another file") from None
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def _leave_stdout() -> None:
    """Point standard output at nothing, so that the interpreter's last flush does not fail again."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
