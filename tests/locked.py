"""Whether the locked versions are the installed ones: only then is every warning an error."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from lock import LOCK, locked

OWN = ("umi", "agent", "train", "export", "tui")
"""Our packages."""
DEPRECATIONS = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")


def other_versions() -> list[str]:
    """Return `name version` of each package that is installed in another version than the locked one."""
    other = []
    for name, wanted in locked(LOCK.read_text(encoding="utf-8")).items():
        try:
            installed = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
        if installed != wanted:
            other.append(f"{name} {installed}")
    return other


def warning_filters() -> list[str]:
    """Return the warning filters of this environment, the last matching one counting.

    With the locked versions every warning is an error. With others those are that our own modules raise, but
    for deprecations: what a library will rename some day fails nothing today.
    """
    if not other_versions():
        return ["error"]
    own = [f"error::Warning:{package}(\\..*)?" for package in OWN]
    return [*own, *(f"default::{name}" for name in DEPRECATIONS)]
