"""`umi doctor`: check everything that umi needs, and say what to do where something is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from agent.errors import UmiError
from agent.llama.binding.hardware import available_bytes
from tui.installation import EXTRAS, NOT_INSTALLED, installed_version, missing_modules
from tui.text import one_line, size_text

REQUIRED = ("llama-cpp-python", "llguidance", "textual", "pydantic", "typer", "platformdirs")


def examine() -> int:
    """Print what was found, then `ok` or what to do; return the exit code, 0 or 1."""
    problems: list[str] = []
    _print_fact(
        "umi", f"{installed_version('umi-agent')}, Python {platform.python_version()} ({sys.executable})"
    )
    _print_fact("machine", f"{platform.system()} {platform.release()}, {platform.machine()}")
    _print_fact("processors", f"{len(_usable_processors())} usable of {os.cpu_count()}")
    _print_fact("memory", _memory())
    for package in REQUIRED:
        found = installed_version(package)
        _print_fact(package, found)
        if found == NOT_INSTALLED:
            problems.append(f"{package} is not installed: pip install umi-agent")
    for check in (_check_llama, _check_models, _check_tools, _check_workspace, _check_folders):
        try:
            check()
        except UmiError as error:
            problems.append(str(error))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            problems.append(f"{reason}; pip install --force-reinstall llama-cpp-python")
    _print_tools()
    _print_extras()
    if not problems:
        print("ok")
        return 0
    print("to do:")
    for problem in problems:
        print(f"- {one_line(problem)}")
    return 1


def clean() -> int:
    """Remove caches and unfinished downloads, and print what that frees; return the exit code."""
    from agent.disk_use import remove_caches

    print(f"removed {size_text(remove_caches())} of caches and unfinished downloads")
    return 0


def _print_fact(name: str, value: str) -> None:
    print(f"{name:18}{one_line(value)}")


def _usable_processors() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _memory() -> str:
    free = available_bytes()
    try:
        total = size_text(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        total = "unknown"
    return total if free is None else f"{total}, {size_text(free)} available"


def _check_llama() -> None:
    import llama_cpp

    from agent.config import engine_settings
    from agent.llama.binding.context import flash_attention_mode
    from agent.llama.binding.hardware import devices
    from agent.llama.binding.model import gpu_layers

    _print_fact("llama.cpp", llama_cpp.llama_print_system_info().decode("utf-8", "replace"))
    _print_fact("devices", "; ".join(devices()) or "none")
    settings = engine_settings()
    layers = gpu_layers(settings)
    where = f"up to {layers} layers on a GPU" if layers else "on the processor"
    if settings.gpu_layers not in ("auto", 0) and not layers:
        where += f" (gpu_layers {settings.gpu_layers} has no effect: llama.cpp finds no GPU)"
    _print_fact(
        "computes", f"{where}, {settings.cache} cache, flash attention {flash_attention_mode(settings)}"
    )


def _check_models() -> None:
    from agent.bundle import load_bundle
    from agent.bundle.deltas.build import open_bundle
    from agent.bundle.store import find_bundle
    from agent.setup import open_engine
    from agent.tools.lib.output import pluralize

    folder = find_bundle(None)
    _print_fact("models", str(folder))
    bundle = load_bundle(folder, verify=True)
    total = size_text(sum(file.size for file in bundle.files))
    _print_fact("", f"{bundle.name}: {pluralize(len(bundle.files), 'file')}, {total}, as the manifest says")
    if bundle.base:
        bundle = open_bundle(folder, lambda _: None)
        _print_fact("", f"built in {bundle.folder}")
    engine = open_engine(bundle)
    try:
        details = f"a context of {bundle.context_length} tokens, threads {engine.threads}"
    finally:
        engine.close()
    _print_fact("", f"{bundle.layout}; they load, with {details}")


def _check_tools() -> None:
    from agent.tool_sources import available_tools
    from agent.tools.base import BUILT_IN

    found = available_tools()
    built_in = sum(tool.source == BUILT_IN for tool in found.tools)
    servers = sum(tool.untrusted_description for tool in found.tools)
    own = len(found.tools) - built_in - servers
    _print_fact("tools", f"{built_in} built in, {own} of your own, {servers} of tool servers")
    for problem in found.problems:
        _print_fact("", problem)
    if found.problems:
        raise UmiError(found.problems[0])


def _check_workspace() -> None:
    from agent.tools import Workspace

    root = Workspace(Path()).root
    _print_fact("workspace", f"{root}{'' if os.access(root, os.W_OK) else ' (read only)'}")


def _check_folders() -> None:
    from agent.disk_use import disk_use
    from agent.llama.prompt_cache import PromptCache
    from agent.paths import config_path, data_folder, models_folder, notes_path
    from tui.cli.terminal.log import current_log_path

    _print_fact("own models", str(models_folder()))
    _print_fact("notes", str(notes_path()))
    _print_fact("config", str(config_path()))
    log = current_log_path()
    _print_fact("log", f"{log}{'' if log.exists() else ' (nothing yet)'}" if log else "off")
    count, taken = PromptCache().usage()
    _print_fact("kept states", f"{count} of tool lists, {size_text(taken)}")
    existing = next(path for path in (data_folder(), *data_folder().parents) if path.exists())
    if not os.access(existing, os.W_OK):
        raise UmiError(f"{existing} cannot be written", "make it writable or set UMI_HOME to another folder")
    _print_fact("disk", f"{size_text(shutil.disk_usage(existing).free)} free")
    for use in disk_use():
        _print_fact("", f"{use.name}: {size_text(use.size)} ({use.remedy or 'umi doctor --clean'})")


def _print_tools() -> None:
    """Say of each tool that is off by default whether it is switched on, and what it lacks here."""
    from agent.config import read_config
    from agent.tools import optional_tools
    from agent.tools.sandbox.run import find_confinement

    try:
        config = read_config()
    except UmiError as error:
        _print_fact("extra tools", str(error))
        return
    if not (found := find_confinement()).problem:
        writes = "may change the workspace" if config.code_writes else "only reads the workspace"
        _print_fact("code", f"is confined by {found.kind}, and {writes}")
    for tool in optional_tools():
        state = "on" if tool.name in config.switched_on else "off (umi config set extra_tools, or --tools)"
        problem = tool.problem()
        _print_fact(tool.name, f"not offered: {problem}" if problem else state)


def _print_extras() -> None:
    for extra in EXTRAS:
        missing = missing_modules(extra)
        _print_fact(
            f"extra {extra}",
            f"without {', '.join(missing)}: pip install 'umi-agent[{extra}]'" if missing else "installed",
        )
