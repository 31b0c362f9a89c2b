"""A process of `umi bench`: it runs one task, given as JSON, and prints the figures as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.bundle import Bundle, load_bundle
from agent.errors import EngineError, UmiError
from agent.evaluation.trace import TRACE, generated_turns
from agent.llama.generation import RESERVE
from agent.llama.session import ModelSession
from agent.prompting import segments
from tui.bench.systems.chat_completion import ChatCompletion
from tui.bench.systems.llama_server import SPECULATION, LlamaServer, ServerProcess, server_python
from tui.bench.systems.plain import PlainModels
from tui.bench.systems.umi import UmiEngine
from tui.bench.trace.checks import check_shares
from tui.bench.trace.job import Job
from tui.bench.trace.measure import SECOND, measure
from tui.bench.trace.rates import LONG_PROMPT, cancel_seconds, rates

KINDS = {
    "system": "tools",
    "user": "question",
    "planner": "thoughts",
    "caller": "calls",
    "tool": "observations",
    "summarizer": "answer",
}


def prepare(job: Job) -> dict[str, Any]:
    """Return what the other tasks need: threads, context length, vocabulary, tokens of the trace."""
    bundle = job.bundle()
    session = ModelSession(bundle, ["planner"], job.settings(), None)
    try:
        tokens = dict.fromkeys(KINDS.values(), 0)
        for part in segments(TRACE):
            tokens[KINDS[part.role]] += len(session.vocabulary.tokenize(part.content, False))
        longest = max(
            len(session.prompt("planner", turn.before).ids)
            + len(session.vocabulary.tokenize(turn.text, False))
            for turn in [*generated_turns(TRACE), SECOND]
        )
        return {
            "threads": session.threads,
            "context_length": max(bundle.context_length, longest + 2 * RESERVE),
            "vocabulary": session.vocabulary.size,
            "tokens": tokens,
        }
    finally:
        session.close()


def plain(job: Job) -> dict[str, Any]:
    """Measure three models as in alpha-UMi."""
    return measure(lambda: PlainModels(job.three_models(), job.settings()))


def chat_completion(job: Job) -> dict[str, Any]:
    """Measure llama-cpp-python's own chat completion."""
    return measure(lambda: ChatCompletion(job.bundle(), job.settings(), job.threads))


def merged(job: Job) -> dict[str, Any]:
    """Measure umi's engine over three models, with the states that are on disk."""
    return measure(lambda: UmiEngine(job.three_models(), job.settings(disk=True)))


def shared(job: Job) -> dict[str, Any]:
    """Measure umi's engine over one model, with the states that are on disk."""
    return measure(lambda: UmiEngine(job.bundle(), job.settings(disk=True)))


def single(job: Job) -> dict[str, Any]:
    """Measure umi's engine over one model without adapters, with the states that are on disk."""
    return measure(lambda: UmiEngine(job.one_model(), job.settings(disk=True)))


def fill(job: Job) -> dict[str, Any]:
    """Save the state of the tool list to disk."""
    return _fill(job, job.bundle())


def fill_merged(job: Job) -> dict[str, Any]:
    """Save the states of the tool list of three models."""
    return _fill(job, job.three_models())


def fill_single(job: Job) -> dict[str, Any]:
    """Save the state of the tool list of one model without adapters."""
    return _fill(job, job.one_model())


def llama_server(job: Job) -> dict[str, Any]:
    """Measure llama-server with one model for all roles, with the tool list that is on disk."""
    return _measure_server(job)


def llama_server_ngram(job: Job) -> dict[str, Any]:
    """Measure the same with its n-gram speculation."""
    return _measure_server(job, speculation=SPECULATION)


def llama_server_roles(job: Job) -> dict[str, Any]:
    """Measure llama-server with a slot and an activated adapter for each role."""
    return _measure_server(job, adapted=True)


def fill_server(job: Job) -> dict[str, Any]:
    """Save the state of the tool list for llama-server with one model."""
    return _fill_server(job)


def fill_server_roles(job: Job) -> dict[str, Any]:
    """Save the state of the tool list for llama-server with adapters."""
    return _fill_server(job, adapted=True)


def _fill(job: Job, bundle: Bundle) -> dict[str, Any]:
    with closing(UmiEngine(bundle, job.settings(disk=True))) as system:
        system.engine.read_ahead(SECOND.before, cancelled=lambda: False)
    return {}


def _fill_server(job: Job, **options: Any) -> dict[str, Any]:
    process = _server_process(job)
    with closing(LlamaServer(process, job.bundle(), job.threads, Path(job.scratch), **options)) as server:
        server.save_tools(TRACE)
    return {}


def _measure_server(job: Job, **options: Any) -> dict[str, Any]:
    process, states = _server_process(job), Path(job.scratch)
    return measure(
        lambda: LlamaServer(process, job.bundle(), job.threads, states, **options), pid=process.pid
    )


def _server_process(job: Job) -> ServerProcess:
    python = server_python()
    if python is None:
        raise EngineError("there is no llama-server", "make bench-server")
    return ServerProcess(python, Path(job.scratch) / "server.log")


def one_role(job: Job) -> dict[str, Any]:
    """Measure the memory of the planner alone."""
    figures = measure(lambda: UmiEngine(job.bundle(), job.settings(), ("planner",)), ("planner",))
    return {"one_role_resident_mb": figures["resident_mb"]}


def write_rates(job: Job) -> dict[str, Any]:
    """Measure tokens a second."""
    return rates(job.bundle(), job.settings())


def cancel(job: Job) -> dict[str, Any]:
    """Measure a cancel while a long prompt is read."""
    longer = replace(job, context_length=max(job.context_length, LONG_PROMPT + 512))
    return cancel_seconds(longer.bundle(), longer.settings())


def checks(job: Job) -> dict[str, Any]:
    """Measure the share of checks in a question's time, on one thread, with the bundle's own limits."""
    return check_shares(load_bundle(Path(job.folder)), replace(job, threads=1).settings())


TASKS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "prepare": prepare,
    "plain": plain,
    "chat_completion": chat_completion,
    "merged": merged,
    "merged_disk": merged,
    "shared": shared,
    "shared_disk": shared,
    "single_disk": single,
    "fill": fill,
    "fill_merged": fill_merged,
    "fill_single": fill_single,
    "llama_server": llama_server,
    "llama_server_ngram": llama_server_ngram,
    "llama_server_roles": llama_server_roles,
    "fill_server": fill_server,
    "fill_server_roles": fill_server_roles,
    "one_role": one_role,
    "rates": write_rates,
    "cancel": cancel,
    "checks": checks,
}


def main(argument: str) -> int:
    """Run a job and print its figures; return the exit code. An error is one line on stderr."""
    job = Job.from_json(argument)
    try:
        print(json.dumps(TASKS[job.task](job)))
    except UmiError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
