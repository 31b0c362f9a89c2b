"""`umi doctor`: what umi stands on, and what to do where something is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from agent.errors import UmiError
from agent.llama.hardware import available_bytes
from tui.text import one_line, size_text

NEEDED = ("llama-cpp-python", "llguidance", "textual", "pydantic", "typer", "platformdirs")


def version(package: str) -> str:
    """The installed version of a distribution, or `not installed`."""
    try:
        return installed_version(package)
    except PackageNotFoundError:
        return "not installed"


def examine() -> int:
    """Print what was found, then `ok` or what to do; the exit code is 0 or 1."""
    problems: list[str] = []
    _say("umi", f"{version('umi-agent')}, Python {platform.python_version()} ({sys.executable})")
    _say("machine", f"{platform.system()} {platform.release()}, {platform.machine()}")
    _say("processors", f"{len(_usable_processors())} usable of {os.cpu_count()}")
    _say("memory", _memory())
    for package in NEEDED:
        found = version(package)
        _say(package, found)
        if found == "not installed":
            problems.append(f"{package} is not installed: pip install umi-agent")
    for look in (_llama, _models, _workspace, _folders):
        try:
            look()
        except UmiError as error:
            problems.append(str(error))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            problems.append(f"{reason}; pip install --force-reinstall llama-cpp-python")
    _extras()
    if not problems:
        print("ok")
        return 0
    print("to do:")
    for problem in problems:
        print(f"- {one_line(problem)}")
    return 1


def _say(what: str, found: str) -> None:
    print(f"{what:18}{one_line(found)}")


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


def _llama() -> None:
    import llama_cpp

    from agent.llama.context import flash_attention_mode
    from agent.llama.hardware import devices
    from agent.llama.model import gpu_layers
    from agent.settings import engine_settings

    _say("llama.cpp", llama_cpp.llama_print_system_info().decode("utf-8", "replace"))
    _say("devices", "; ".join(devices()) or "none")
    settings = engine_settings()
    layers = gpu_layers(settings)
    where = f"up to {layers} layers on a GPU" if layers else "on the processor"
    if settings.gpu_layers not in ("auto", 0) and not layers:
        where += f" (gpu_layers {settings.gpu_layers} has no effect: llama.cpp finds no GPU)"
    _say("computes", f"{where}, {settings.cache} cache, flash attention {flash_attention_mode(settings)}")


def _models() -> None:
    from agent.bundle import load_bundle
    from agent.bundle.store import find_bundle
    from tui.setup import open_engine

    folder = find_bundle(None)
    _say("models", str(folder))
    bundle = load_bundle(folder, verify=True)
    total = size_text(sum(file.size for file in bundle.files))
    _say("", f"{bundle.name}: {len(bundle.files)} files, {total}, as their manifest says")
    engine = open_engine(bundle)
    try:
        how = f"a context of {bundle.context_length} tokens, threads {engine.threads}"
    finally:
        engine.close()
    _say("", f"{bundle.layout}; they load, with {how}")


def _workspace() -> None:
    from agent.tools import Workspace

    root = Workspace(Path()).root
    _say("workspace", f"{root}{'' if os.access(root, os.W_OK) else ' (read only)'}")


def _folders() -> None:
    from agent.llama.prompt_cache import PromptCache
    from agent.paths import data_folder, models_folder, notes_path, settings_path

    _say("own models", str(models_folder()))
    _say("notes", str(notes_path()))
    _say("settings", str(settings_path()))
    count, taken = PromptCache().usage()
    _say("kept states", f"{count} of tool lists, {size_text(taken)}")
    existing = next(path for path in (data_folder(), *data_folder().parents) if path.exists())
    if not os.access(existing, os.W_OK):
        raise UmiError(f"{existing} cannot be written", "make it writable or set UMI_HOME to another folder")
    _say("disk", f"{size_text(shutil.disk_usage(existing).free)} free")


def _extras() -> None:
    from agent.extras import EXTRAS
    from tui.cli.extras import missing

    for extra in EXTRAS:
        lacking = missing(extra)
        _say(
            f"extra {extra}",
            f"without {', '.join(lacking)}: pip install 'umi-agent[{extra}]'" if lacking else "installed",
        )
