"""vLLM on the processor as umi's engine: exported, served, asked, and measured beside `umi serve`.

    make test-vllm                                          # installs vLLM in an environment of its own first
    python scripts/vllm_serving.py --python ENV/bin/python [--models B] [--clients N] [--rounds N]

One client asks the questions of a round one after the other, and N clients ask them all at once, of umi with
its models on vLLM and of `umi serve`. It fails where a question is not answered on vLLM, where fewer are
right there than here, or where N clients get less than LEAST_GAIN times the answers a second of one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import httpx2

import umi
from agent.errors import EngineError
from agent.remote.client import ServerClient

LEAST_GAIN = 3.0
START_S = 900
"""Seconds that a server may take to start; vLLM's imports alone take a minute on a slow disk."""
OPTIONS = ("--enforce-eager", "--max-num-seqs", "32", "--block-size", "32")
"""Of vLLM beside its configuration: nothing is compiled first. Of a prompt, whole blocks are reused, and 128
tokens a block are more than a turn has."""
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, sorted(os.sched_getaffinity(0)))),
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}
"""A gigabyte of key-value cache; all cores that this process may use, where `auto` leaves one out; nothing is
sent or fetched. What the user set stays."""


@dataclass(frozen=True)
class Question:
    """A question, and what a right answer holds."""

    text: str
    answer: str


@dataclass(frozen=True)
class Measured:
    """The answers to the questions of a round, and the seconds they took together."""

    answers: list[str]
    seconds: float


Ask = Callable[[str], str]


def question(n: int) -> Question:
    """Return the question number `n`: a product, a percentage, a length or a number of days."""
    match n % 4:
        case 0:
            return Question(f"what is {37 + n} * 12?", str((37 + n) * 12))
        case 1:
            return Question(f"what is 25% of {4 * (50 + n)}?", str(50 + n))
        case 2:
            return Question(f"convert {3 + n} km to m", str((3 + n) * 1000))
        case _:
            end = date(2026, 1, 1) + timedelta(days=30 + n)
            return Question(f"how many days from 2026-01-01 to {end}?", str(30 + n))


@contextmanager
def vllm(python: Path, folder: Path, log: Path) -> Iterator[str]:
    """Serve what `umi export bundle --for vllm` wrote to `folder`; yield the URL."""
    port = _free_port()
    # The command `vllm` of vllm-cpu 0.32 asks for the metadata of a package `vllm`, and ends.
    command = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--config", "vllm.yaml", *OPTIONS]
    command += ["--host", "127.0.0.1", "--port", str(port), "--dtype", fast_dtype()]
    with log.open("wb") as file:
        server = subprocess.Popen(
            command, cwd=folder, env=ENVIRONMENT | os.environ, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        started = time.monotonic()
        while not _is_healthy(port):
            if server.poll() is not None or time.monotonic() - started > START_S:
                raise EngineError(f"vLLM does not start: {log.read_text()[-1500:]}", f"its log is {log}")
            time.sleep(1)
        print(f"vLLM started in {time.monotonic() - started:.0f} s", flush=True)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait()


def fast_dtype() -> str:
    """Return the type that this processor computes fastest in: bfloat16 where it has products of it."""
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    return "bfloat16" if flags & {"avx512_bf16", "amx_bf16", "bf16"} else "float32"


@contextmanager
def umi_server(models: str) -> Iterator[str]:
    """Serve `models` by `umi serve`; yield the URL."""
    command = [sys.executable, "-m", "tui", "serve", "--port", "0", "--models", models]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    try:
        if not (url := server.stdout.readline().strip()):
            raise EngineError("umi serve does not start", "it says why above")
        yield url
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def _is_healthy(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


def vllm_client(stack: ExitStack, url: str, models: str, workspace: Path) -> Ask:
    """Return a client: an agent of its own, with its models on vLLM."""
    agent = stack.enter_context(umi.open_agent(models, workspace=workspace, server=url))

    def ask(question: str) -> str:
        finished = agent.ask(agent.begin(), question)
        return _answer(question, finished.reason, finished.answer)

    return ask


def serve_client(stack: ExitStack, url: str) -> Ask:
    """Return a client of `umi serve`."""
    client = ServerClient(url)
    stack.callback(client.close)

    def ask(question: str) -> str:
        body = {"model": "umi", "messages": [{"role": "user", "content": question}]}
        reply = client.post(f"{client.path}/chat/completions", body)
        return _answer(question, reply["umi"]["reason"], reply["choices"][0]["message"]["content"])

    return ask


def _answer(question: str, reason: str, text: str) -> str:
    """Return `text` where the turn was answered, else nothing, and say why."""
    if reason == "answered":
        return text
    print(f"{question!r} ended with {reason}: {text}", flush=True)
    return ""


def measure(clients: Sequence[Ask], questions: Sequence[Question]) -> Measured:
    """Let `clients` ask the questions, each the next one as soon as it has its answer."""
    started = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        shares = [
            pool.submit(lambda ask, own: [ask(one.text) for one in own], ask, questions[at :: len(clients)])
            for at, ask in enumerate(clients)
        ]
        answers = [share.result() for share in shares]
    seconds = time.perf_counter() - started
    ordered = [answers[at % len(clients)][at // len(clients)] for at in range(len(questions))]
    return Measured(ordered, seconds)


def right(measured: Measured, questions: Sequence[Question]) -> int:
    """Return how many answers hold what they should; commas in numbers do not count."""
    pairs = zip(measured.answers, questions, strict=True)
    return sum(one.answer in answer.replace(",", "") for answer, one in pairs)


def checkpoint(models: str, out: Path) -> Path:
    """Return the folder in `out` with what vLLM serves of `models`, exported where it is not there yet.

    Its name tells the weights, so that one of earlier ones is not served.
    """
    weights = "".join(file.sha256 for file in umi.load_bundle(models).files)
    folder = out / f"{models}-{hashlib.sha256(weights.encode()).hexdigest()[:12]}"
    if not (folder / "vllm.yaml").is_file():
        command = [sys.executable, "-m", "tui", "export", "bundle", models, "--for", "vllm"]
        subprocess.run([*command, "--out", str(folder)], check=True)
    return folder


def run(models: str, python: Path, out: Path, count: int, rounds: int) -> list[str]:
    """Export, serve, ask and measure; return what failed."""
    folder = checkpoint(models, out)
    with ExitStack() as stack:
        workspace = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(vllm(python, folder, out / "vllm.log"))
        on_vllm = [vllm_client(stack, url, models, workspace) for _ in range(count)]
        local = stack.enter_context(umi_server(models))
        on_umi = [serve_client(stack, local) for _ in range(count)]
        systems = {
            "vLLM, one client": on_vllm[:1],
            f"vLLM, {count} clients": on_vllm,
            "umi serve, one client": on_umi[:1],
            f"umi serve, {count} clients": on_umi,
        }
        # The tools are read, the files mapped; each client of vLLM has the tools' tokens of it once.
        for clients in (on_vllm, on_umi[:1]):
            measure(clients, [question(rounds * count)] * len(clients))
        return report(systems, count, rounds)


def report(systems: Mapping[str, Sequence[Ask]], count: int, rounds: int) -> list[str]:
    """Ask the rounds' questions of each of `systems` in turn, print what came out, return what failed."""
    seconds, correct, answered = (dict.fromkeys(systems, 0.0) for _ in range(3))
    equal = 0
    for round_ in range(rounds):
        questions = [question(round_ * count + at) for at in range(count)]
        said: dict[str, list[str]] = {}
        for name, clients in systems.items():
            measured = measure(clients, questions)
            said[name] = measured.answers
            seconds[name] += measured.seconds
            correct[name] += right(measured, questions)
            answered[name] += sum(bool(answer.strip()) for answer in measured.answers)
            print(f"round {round_ + 1}, {name}: {measured.seconds:.1f} s", flush=True)
        one, _, here, _ = said.values()
        equal += sum(map(str.__eq__, one, here))
    total = count * rounds
    print(f"{'':28}{'answers/s':>10}{'of one':>8}{'right':>7}   of {total} questions")
    for name in systems:
        first = next(other for other in systems if other.split(",")[0] == name.split(",")[0])
        gain = seconds[first] / seconds[name]
        print(f"{name:28}{total / seconds[name]:10.3f}{gain:8.2f}{correct[name]:7.0f}")
    print(f"the same answer from one client of each: {equal} of {total}")
    one, many, here, _ = systems
    failed = []
    if min(answered[one], answered[many]) < total:
        failed.append("a question was not answered on vLLM")
    if min(correct[one], correct[many]) < correct[here] - 1:
        failed.append("fewer questions are right on vLLM than here")
    if seconds[one] / seconds[many] < LEAST_GAIN:
        failed.append(f"{many}: less than {LEAST_GAIN} times the answers a second of one")
    return failed


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", type=Path, required=True, help="of the environment that has vLLM")
    parser.add_argument("--models", default="umi-135m")
    parser.add_argument("--out", type=Path, default=Path("runs/vllm"), help="where the checkpoint is kept")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    failed = run(given.models, given.python.absolute(), given.out, given.clients, given.rounds)
    print(*failed or ["all as it should be"], sep="\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
