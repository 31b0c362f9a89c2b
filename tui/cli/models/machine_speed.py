"""The rates of this machine, measured at the first use."""

from __future__ import annotations

from collections.abc import Iterable

from agent.bundle.listing import ModelEntry, tensor_types
from agent.config import EngineSettings
from agent.errors import UmiError
from agent.llama.binding.hardware import usable_cores
from agent.llama.speed.estimate import Rates
from agent.llama.speed.probe import known_rates, measured_rates
from tui.cli.terminal.progress import say


def threads_of(settings: EngineSettings) -> int:
    """Return the number of threads that models are expected to compute with."""
    return usable_cores() if settings.threads == "auto" else settings.threads


def machine_rates(entries: Iterable[ModelEntry], settings: EngineSettings) -> dict[int, Rates]:
    """Return the rates that the speed of `entries` depends on; what is not known is measured first.

    Where that fails, the reason is said and what is known is returned.
    """
    kinds, threads = tensor_types(entries), threads_of(settings)
    known = known_rates(threads)
    if not known:
        say("measuring this machine, once: about two seconds for each number format")
    try:
        return measured_rates(kinds, threads)
    except (OSError, UmiError) as error:
        say(f"the speed was not measured: {error}")
        return known
