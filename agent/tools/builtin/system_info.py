"""The tool `system_info`."""

from __future__ import annotations

import os
import platform
import shutil

from agent.tools.base import ToolContext, tool
from agent.tools.lib.output import pluralize


@tool(may="read", untrusted=False)
def system_info(context: ToolContext) -> str:
    """Tell about this computer."""
    if platform.system() == "Darwin":
        system = f"macOS {platform.mac_ver()[0]}"
    else:
        system = f"{platform.system()} {'.'.join(platform.release().split('-')[0].split('.')[:2])}"
    cores = os.cpu_count() or 1
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    disk_gb = shutil.disk_usage(context.workspace.root).free / 1e9
    return (
        f"{system}, {platform.machine()}, {pluralize(cores, 'core')}, "
        f"{memory_gib:.0f} GB memory, {disk_gb:.0f} GB free disk, Python {platform.python_version()}"
    )
