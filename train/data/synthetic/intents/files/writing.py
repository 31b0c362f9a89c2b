"""Intents over `write_file` alone, and after `read_file`: a text, a line added, a copy."""

from __future__ import annotations

from train.data.synthetic.intents.files.common import lines_of
from train.data.synthetic.intents.files.composing import new_path, written, written_text
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Question, Script, Step, ToolCall, intent, step
from train.data.synthetic.worlds.world import World

REFUSALS = (
    "write_file needs the user's approval and nobody is there to give it",
    "the user refused this call",
)
"""Observations of a call that was not approved."""


@intent("write_file", topic="writing files", weight=9)
def write(sample: Sampler, world: World) -> Script:
    path, content = new_path(sample, world), written_text(sample)
    refused = sample.rng.choice(REFUSALS) if sample.chance(0.15) and not sample.is_test else None
    yield Question(sample.question("write", path=path, content=content))
    use = ToolCall("write_file", {"path": path, "content": content}, refused, refused is not None)
    observations = yield Step(f"I will write {path} with {{tool}}.", (use,))
    return written(observations[0], path, content)


@intent("read_file", "write_file", topic="writing files", weight=5)
def append(sample: Sampler, world: World) -> Script:
    """A line added to a file: its text is read, and written again with the line."""
    path = sample.rng.choice([p for p in world.files if len(lines_of(world, p)) <= 5 and world.files[p]])
    text = sample.phrase()
    yield Question(sample.question("append", path=path, content=text))
    observations = yield step(
        f"Writing replaces a file, so first I will read {path} with {{tool}}.", "read_file", path=path
    )
    content = f"{observations[0].content}\n{text}"
    wrote = yield step(
        f"I will write {path} with its lines and the new one with {{tool}}.",
        "write_file",
        path=path,
        content=content,
    )
    return written(wrote[0], path, content, f"I added it to {path}.")


@intent("read_file", "write_file", topic="writing files", weight=5)
def copy_file(sample: Sampler, world: World) -> Script:
    """A file copied by reading and writing."""
    path = sample.rng.choice([p for p in world.files if len(lines_of(world, p)) <= 4 and world.files[p]])
    target = sample.value(sample.file_name)
    yield Question(sample.question("copy_file", path=path, path2=target))
    observations = yield step(
        f"I will read {path} with {{tool}}, then write its text to {target}.", "read_file", path=path
    )
    wrote = yield step(
        f"I will write its text to {target} with {{tool}}.",
        "write_file",
        path=target,
        content=observations[0].content,
    )
    return written(wrote[0], target, observations[0].content, f"I copied {path} to {target}.")
