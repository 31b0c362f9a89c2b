"""What the planner is taken to have thought where a person gave files along with the question."""

from __future__ import annotations

from collections.abc import Sequence


def attached_thought(paths: Sequence[str]) -> str:
    """Return the thought of the step that reads the files, worded as in the training data, on one line."""
    names = [" ".join(path.split()) for path in paths]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"I will read {listed} with read_file."
