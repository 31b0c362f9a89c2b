"""Records that may be larger than memory: in it while they are few, in a temporary file once they are many.

What stays in memory is 8 bytes a record. The file lies in TMPDIR, else in /var/tmp, since /tmp is memory on
many systems, and has no name: it is gone with the process.
"""

from __future__ import annotations

import os
import weakref
from array import array
from tempfile import SpooledTemporaryFile

MEMORY_BYTES = 64 * 1024 * 1024
"""The most bytes of records that a spool keeps in memory; where they are more, all are in the file."""
_DISK = "/var/tmp"


class Spool:
    """Records of bytes, appended and read by their numbers."""

    def __init__(self) -> None:
        folder = None if "TMPDIR" in os.environ or not os.access(_DISK, os.W_OK) else _DISK
        self._file = SpooledTemporaryFile(MEMORY_BYTES, dir=folder)  # noqa: SIM115 - it lives as long as this
        weakref.finalize(self, self._file.close)
        self._starts = array("Q", [0])

    def __len__(self) -> int:
        return len(self._starts) - 1

    def append(self, record: bytes) -> None:
        """Add a record. Raise OSError where the disk is full."""
        self._file.seek(self._starts[-1])
        self._file.write(record)
        self._starts.append(self._starts[-1] + len(record))

    def size(self, number: int) -> int:
        """Return the bytes of a record."""
        return self._starts[number + 1] - self._starts[number]

    def read(self, number: int) -> bytes:
        """Return a record."""
        self._file.seek(self._starts[number])
        return self._file.read(self.size(number))
