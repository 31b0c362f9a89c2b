"""The planner's thought before the step that reads the files attached to a question."""

from __future__ import annotations

from collections.abc import Sequence


def attached_thought(paths: Sequence[str]) -> str:
    """Return that thought for the attached `paths`, worded as in the training data, on one line."""
    names = [" ".join(path.split()) for path in paths]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"I will read {listed} with read_file."
