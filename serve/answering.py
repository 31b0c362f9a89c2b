"""Answers to requests: one at a time on a thread, by the agent with its own tools or with the client's."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from time import perf_counter

from agent.consent import Approve
from agent.errors import ContextFullError
from agent.events import CallProposed, Event, Finished
from agent.llama.grammar.calls import MAX_CALLS
from agent.loop import Agent, Conversation
from agent.prompting import segment
from agent.sessions import CONCLUDED
from agent.transcript import Call, ToolSpec, Transcript, Turn, UserTurn, compact
from serve.conversations import (
    Memory,
    Remembered,
    in_call_order,
    instruction_of,
    latest,
    least_tokens,
    recall,
    without_instructions,
)
from serve.cutting import CutAtLength, cut
from serve.errors import RequestError
from serve.fair_queue import FairQueue
from serve.metrics import Metrics
from serve.proposals import Step, propose
from serve.requests import ChatRequest, FunctionCall, Message, ToolCall
from umi.asynchronous import iterate_in_thread

Cancelled = Callable[[], bool]

OWN_TOOLS, NO_TOOLS = "umi's own tools", "no tools"
"""Under which conversations without tools of the client are remembered."""


class Answering:
    """Answers requests with `agent`, in the order of `queue`. `approve` decides about umi's own calls."""

    def __init__(self, agent: Agent, approve: Approve | None, queue: FairQueue, metrics: Metrics) -> None:
        self.agent = agent
        self.queue = queue
        self.metrics = metrics
        self._approve = approve
        self._memory = Memory()
        self._executor = ThreadPoolExecutor(1, "umi-serve")

    async def events(self, request: ChatRequest, client: str) -> AsyncGenerator[Event | CutAtLength]:
        """Yield the events of an answer, once it is the turn of `client`; the last one is `Finished`.

        Closing the generator, or cancelling the task that awaits it, stops the models. Raise QueueFullError,
        RequestError, or what `Agent.run` raises.
        """
        arrived = perf_counter()
        async with self.queue.turn(client):
            started = perf_counter()
            self.metrics.waited_seconds += started - arrived
            stop = threading.Event()
            answer = self._answer(request, stop.is_set)
            events = cut(answer, request.stops, request.most_tokens, self.agent.engine.count_tokens)
            try:
                async with aclosing(iterate_in_thread(events, self._executor, stop)) as arriving:
                    async for event in arriving:
                        if isinstance(event, Finished):
                            self.metrics.endings[event.reason] += 1
                            self.metrics.add_usage(event.stats)
                        yield event
            finally:
                self.metrics.answer_seconds += perf_counter() - started

    def close(self) -> None:
        """Free the models, after the turn that runs has ended."""
        self._executor.shutdown()
        self.agent.close()

    def _answer(self, request: ChatRequest, cancelled: Cancelled) -> Iterator[Event]:
        messages = in_call_order(without_instructions(request.messages))
        if not messages or messages[-1].role == "assistant":
            what = "the last message must be a user's or a tool's"
            raise RequestError(400, what, "invalid_value", "messages")
        instruction = "\n\n".join(filter(None, (self.agent.instruction, instruction_of(request.messages))))
        if request.tools or messages[-1].role == "tool":
            return self._proposed(request, messages, instruction, cancelled)
        tools = () if request.tool_choice == "none" else self.agent.toolbox.specs
        return self._own(tools, messages, instruction, cancelled)

    def _own(
        self, tools: tuple[ToolSpec, ...], messages: Sequence[Message], instruction: str, cancelled: Cancelled
    ) -> Iterator[Event]:
        """Answer with umi's own `tools`, which run here."""
        said, question = _split(messages)
        key = _key(OWN_TOOLS if tools else NO_TOOLS, instruction)
        found = recall(self._memory, key, said)
        turns = self._fitting(found.turns, question)
        conversation = Conversation(Transcript(tools, turns, instruction), found.untrusted)
        for event in self.agent.run(conversation, question, approve=self._approve, cancelled=cancelled):
            if isinstance(event, Finished) and event.reason in CONCLUDED:
                kept = Remembered(conversation.transcript.turns, conversation.untrusted)
                self._memory.keep(key, [*messages, Message("assistant", event.answer)], kept)
            yield event

    def _fitting(self, history: Sequence[Turn], question: str) -> tuple[Turn, ...]:
        """Return what of `history` may fit beside `question`. Raise ContextFullError where it cannot."""
        available = self.agent.engine.context_length
        if (least := least_tokens(question)) > available:
            raise ContextFullError(least, available)
        return latest(history, available - least)

    def _proposed(
        self, request: ChatRequest, messages: Sequence[Message], instruction: str, cancelled: Cancelled
    ) -> Iterator[Event]:
        """Answer with the client's tools, whose calls it runs."""
        key = _key("\n".join(spec.line() for spec in request.specs), instruction)
        found = recall(self._memory, key, messages)
        start = max((at for at, turn in enumerate(found.turns) if isinstance(turn, UserTurn)), default=None)
        if start is None:
            raise RequestError(400, "the messages have no question", "invalid_value", "messages")
        current = found.turns[start:]
        history = self._fitting(found.turns[:start], segment(current[0]).content)
        step = Step(
            Transcript(request.specs, (*history, *current), instruction),
            request.demanded,
            1 if request.parallel_tool_calls is False else MAX_CALLS,
        )
        calls: list[Call] = []
        for event in propose(self.agent.engine, step, cancelled):
            if isinstance(event, CallProposed):
                calls.append(Call(event.name, event.arguments))
            if isinstance(event, Finished) and event.reason in CONCLUDED:
                kept = Remembered(step.transcript.turns, untrusted=True)
                self._memory.keep(key, [*messages, _assistant(event.answer, calls)], kept)
            yield event


def _split(messages: Sequence[Message]) -> tuple[list[Message], str]:
    """Return the messages before the question, and the question: the user's last messages."""
    start = len(messages)
    while start and messages[start - 1].role == "user":
        start -= 1
    texts = (message.text.strip() for message in messages[start:])
    return list(messages[:start]), "\n\n".join(filter(None, texts))


def _key(tools: str, instruction: str) -> str:
    return compact([tools, instruction])


def _assistant(answer: str, calls: Sequence[Call]) -> Message:
    """Return the message that tells of an answer or of calls, as the client sends it back."""
    made = (ToolCall("", FunctionCall(call.name, compact(call.arguments))) for call in calls)
    return Message("assistant", answer, tuple(made) or None)
