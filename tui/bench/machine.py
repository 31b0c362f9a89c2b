"""The machine and the versions that the figures of a bench are of."""

from __future__ import annotations

import platform
import sys
from typing import Any

from agent.llama.binding.hardware import processor_name, usable_cores
from tui.installation import installed_version


def machine(threads: int) -> dict[str, Any]:
    """Return the machine and the versions that the figures are of."""
    return {
        "processor": processor_name(),
        "cores": usable_cores(),
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "llama_cpp_python": installed_version("llama-cpp-python"),
        "resident": "VmRSS" if sys.platform == "linux" else "ru_maxrss",
    }
