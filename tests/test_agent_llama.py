"""The engine on llama.cpp: progress, cancelling, errors and closing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from engine_runs import (
    F32_CACHE,
    LONG,
    ONE_THREAD,
    QUESTION,
    WITH_RESULT,
    never,
    run,
)
from tiny_gguf import write_tiny_bundle

from agent.bundle import Bundle, write_bundle
from agent.engine import Delta, Generated
from agent.errors import BundleError, ContextFullError, EngineError
from agent.events import Reading, Usage
from agent.llama.binding.context import BATCH
from agent.llama.engine import LlamaEngine
from agent.llama.generation import RESERVE
from agent.prompting import Markers
from agent.transcript import (
    ROLES,
    Role,
    Transcript,
    UserTurn,
)


@pytest.fixture(scope="module")
def engine(tiny_bundle: Bundle) -> Iterator[LlamaEngine]:
    engine = LlamaEngine(tiny_bundle, F32_CACHE)
    yield engine
    engine.close()


def test_reading_is_reported_for_each_batch(engine: LlamaEngine) -> None:
    run(engine, "planner", Transcript())
    readings = [e for e in engine.generate("planner", LONG, cancelled=never) if isinstance(e, Reading)]
    assert len(readings) > 2
    assert readings[1].done == BATCH


@pytest.mark.parametrize("patience", [0, 1, 7, 60])
def test_reading_can_be_cancelled(engine: LlamaEngine, patience: int) -> None:
    run(engine, "planner", Transcript())
    whole = engine.context_length - engine.room("planner", LONG)
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > patience

    stopped = run(engine, "planner", LONG, cancelled)
    assert (stopped.text, stopped.stop, stopped.usage.generated) == ("", "cancelled", 0)
    assert stopped.usage.prompt_evaluated + stopped.usage.prompt_reused < whole
    assert run(engine, "planner", QUESTION).stop in ("end", "length")


def test_generation_can_be_cancelled_without_side_effects(engine: LlamaEngine) -> None:
    whole = run(engine, "summarizer", WITH_RESULT)
    generated: list[str] = []
    last = None
    for event in engine.generate("summarizer", WITH_RESULT, cancelled=lambda: len(generated) >= 3):
        last = event
        if isinstance(event, Delta):
            generated.append(event.text)
    assert isinstance(last, Generated)
    assert (last.stop, last.text) == ("cancelled", "".join(generated))
    assert len(generated) == 3
    assert whole.text.startswith(last.text)
    assert run(engine, "summarizer", WITH_RESULT).text == whole.text


def test_an_abandoned_generation_frees_the_engine(engine: LlamaEngine) -> None:
    whole = run(engine, "summarizer", WITH_RESULT)
    events = engine.generate("summarizer", WITH_RESULT, cancelled=never)
    while not isinstance(next(events), Delta):
        pass
    events.close()  # type: ignore[attr-defined]
    assert run(engine, "summarizer", WITH_RESULT).text == whole.text


def test_one_generation_at_a_time(engine: LlamaEngine) -> None:
    events = engine.generate("planner", QUESTION, cancelled=never)
    next(iter(events))
    with pytest.raises(EngineError, match="not finished its last"):
        run(engine, "planner", QUESTION)
    waited: list[object] = []
    other = threading.Thread(
        target=lambda: waited.extend(engine.generate("planner", QUESTION, cancelled=lambda: True))
    )
    other.start()
    other.join()
    assert waited == [Generated("", "cancelled", Usage())]
    assert isinstance(list(events)[-1], Generated)


def test_a_conversation_longer_than_the_context_is_refused(engine: LlamaEngine) -> None:
    huge = replace(QUESTION, turns=(UserTurn("many words " * 900),))
    assert engine.room("planner", huge) < 0
    with pytest.raises(ContextFullError) as caught:
        run(engine, "planner", huge)
    assert caught.value.available == engine.context_length == 1024
    assert caught.value.needed == RESERVE + 1024 - engine.room("planner", huge)
    assert run(engine, "planner", QUESTION).text


def test_text_with_lone_surrogates_can_be_read(engine: LlamaEngine) -> None:
    assert run(engine, "planner", replace(QUESTION, turns=(UserTurn("a\udcff\x00b"),))).text


@pytest.mark.parametrize("kept", [40, 3000, -60_000])
def test_a_damaged_model_is_refused_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kept: int
) -> None:
    folder = tmp_path / "broken"
    write_tiny_bundle(folder)
    path = folder / "caller.gguf"
    path.write_bytes(path.read_bytes()[:kept])
    files: dict[Role, str] = {role: f"{role}.gguf" for role in ROLES}
    bundle = write_bundle(folder, name="broken", context_length=512, files=files)
    with pytest.raises(BundleError, match=r"caller\.gguf is damaged: .+; .*umi models use") as caught:
        LlamaEngine(bundle, ONE_THREAD)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("markers", "generated"),
    [
        (Markers(close="<|done|>"), r"no control token for the marker <\|done\|>"),
        (Markers(open="the"), "no control token for the marker the"),
        (Markers(close="<|im_start|>"), "does not end a turn"),
    ],
)
def test_a_model_without_the_markers_is_refused(
    tiny_bundle: Bundle, markers: Markers, generated: str
) -> None:
    with pytest.raises(BundleError, match=generated):
        LlamaEngine(replace(tiny_bundle, markers=markers), ONE_THREAD)


def test_a_closed_engine_raises(tiny_bundle: Bundle) -> None:
    engine = LlamaEngine(tiny_bundle, ONE_THREAD)
    events = engine.generate("planner", QUESTION, cancelled=never)
    next(iter(events))
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        list(events)
    with pytest.raises(EngineError, match="closed"):
        run(engine, "planner", QUESTION)


def test_leaving_without_closing_prints_nothing(tiny_bundle: Bundle) -> None:
    script = (
        "import sys; from pathlib import Path; from agent.bundle import load_bundle\n"
        "from agent.llama.engine import LlamaEngine; from agent.transcript import Transcript, UserTurn\n"
        "engine = LlamaEngine(load_bundle(Path(sys.argv[1])))\n"
        "*_, last = engine.generate('planner', Transcript((), (UserTurn('hi'),)), cancelled=lambda: False)\n"
        "print(last.stop)\n"
        "assert not {'torch', 'transformers', 'textual'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tiny_bundle.folder)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() in ("end", "length")
