"""The limits of a confined run."""

from __future__ import annotations

import resource
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What a run may take; it is ended where it takes more."""

    time_s: float = 20.0
    memory_bytes: int = 1024 * MIB
    """Of all processes together; also the address space of each."""
    tasks: int = 64
    """Processes and threads at one time."""
    output_bytes: int = 1 * MIB
    """Of stdout and stderr together."""
    folder_bytes: int = 256 * MIB
    """Of the files in each folder that can be written."""
    file_bytes: int = 64 * MIB
    """Of one file."""
    open_files: int = 64

    def of_process(self) -> dict[int, int]:
        """Return the limits that the kernel keeps of each process, by their `RLIMIT_…` numbers."""
        return {
            resource.RLIMIT_AS: self.memory_bytes,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_CPU: int(self.time_s) + 1,
            resource.RLIMIT_FSIZE: self.file_bytes,
            resource.RLIMIT_NOFILE: self.open_files,
        }
