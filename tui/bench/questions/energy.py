"""The energy that processors took, where Linux tells it (Intel's running average power limit, RAPL)."""

from __future__ import annotations

from pathlib import Path

_ZONES = Path("/sys/class/powercap")


def joules() -> float | None:
    """Return the energy counters of all processor packages, in joules; None where none can be read.

    They begin again at 0 after some hours at full load.
    """
    total = None
    for counter in _ZONES.glob("intel-rapl:?/energy_uj"):
        try:
            total = (total or 0.0) + int(counter.read_text(encoding="ascii")) / 1e6
        except (OSError, ValueError):
            continue
    return total
