"""Warnings of the libraries that training runs on go to the log that UMI_LOG names, not to the terminal.

Errors are exceptions, and the libraries' error messages stay.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

_ERRORS_ONLY = {
    "HF_HUB_VERBOSITY": "error",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "TORCH_LOGS": "-all",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""The environment variables that set the level of libraries that print their messages themselves. They are
read when a library is first imported."""


@contextmanager
def library_warnings_logged() -> Iterator[None]:
    """Log Python's warnings within the block, and let libraries that are imported in it print errors only.

    Warning filters stay in force: what they make an error is raised.
    """
    for name, level in _ERRORS_ONLY.items():
        os.environ.setdefault(name, level)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
