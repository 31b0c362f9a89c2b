"""The trace through llama-cpp-python's own chat completion, with tools and grammars.

One `Llama` for each model file, which keeps of its last prompt what the next one begins with, as it does by
default. It cannot change adapters, so the backbone of a shared bundle plays all three roles without them. The
messages are the trace's turns, rendered by a template as umi renders them; the last message, which is empty,
names the role that writes. The planner's and the caller's grammars are GBNF, the caller's made from the
tools' schemas.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from time import perf_counter
from typing import Any, cast

import numpy as np
from llama_cpp import Llama, LlamaGrammar, LogitsProcessorList
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
from numpy.typing import NDArray

from agent.bundle import Bundle
from agent.config import EngineSettings
from agent.evaluation.trace import TraceTurn
from agent.events import Usage
from agent.llama.binding.model import gpu_layers
from agent.llama.grammar.calls import closed
from agent.prompting import Markers, segments
from agent.transcript import Role, ToolSpec
from tui.bench.systems.system import require_text

PLANNER = r'root ::= [^\n]+ "\nNext: " ("caller" | "summarizer" | "give up")'


class ChatCompletion:
    """Three roles over `Llama.create_chat_completion`; a logits processor forces the text of each turn."""

    def __init__(self, bundle: Bundle, settings: EngineSettings, threads: int) -> None:
        self._bundle = bundle
        self._models: dict[str, _RecordingLlama] = {}
        self._files = {role: file.file for role, file in bundle.roles.items()}
        self._grammars: dict[Role, LlamaGrammar | None] = {}
        for role, file in bundle.roles.items():
            if file.file not in self._models:
                model = self._models[file.file] = _RecordingLlama(
                    str(bundle.path(role)),
                    n_ctx=bundle.context_length,
                    n_threads=threads,
                    n_threads_batch=threads,
                    n_gpu_layers=gpu_layers(settings),
                    verbose=False,
                )
                template = Jinja2ChatFormatter(template_text(bundle.markers), bundle.markers.close, "")
                model.chat_handler = template.to_chat_handler()

    def write(self, turn: TraceTurn, first: Callable[[], None]) -> Usage:
        """As in System."""
        model = self._models[self._files[turn.role]]
        force = _ForcedTokens(
            [*model.tokenize(turn.text.encode("utf-8"), add_bos=False), self._end(model)], first
        )
        model.sizes.clear()
        started = perf_counter()
        chunks: Any = model.create_chat_completion(
            messages=cast(Any, messages(turn)),
            tools=cast(Any, [openai_tool(tool) for tool in turn.before.tools]),
            grammar=self._grammar(turn.role, turn.before.tools),
            logits_processor=LogitsProcessorList([force]),
            temperature=0.0,
            max_tokens=None,
            stream=True,
        )
        text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
        require_text(turn, text)
        evaluated, read = model.sizes[0], force.started - started
        return Usage(
            evaluated, force.prompt - evaluated, len(force.ids) - 1, read, perf_counter() - force.started
        )

    def close(self) -> None:
        """As in System."""
        for model in self._models.values():
            model.close()

    def _end(self, model: Llama) -> int:
        return model.tokenize(self._bundle.markers.close.encode("utf-8"), add_bos=False, special=True)[0]

    def _grammar(self, role: Role, tools: tuple[ToolSpec, ...]) -> LlamaGrammar | None:
        if role not in self._grammars:
            self._grammars[role] = _grammar(role, tools)
        return self._grammars[role]


def _grammar(role: Role, tools: tuple[ToolSpec, ...]) -> LlamaGrammar | None:
    if role == "planner":
        return LlamaGrammar.from_string(PLANNER, verbose=False)
    if role == "summarizer":
        return None
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": tool.name}, "arguments": closed(tool.parameters)},
            "required": ["name", "arguments"],
        }
        for tool in tools
    ]
    return LlamaGrammar.from_json_schema(json.dumps({"anyOf": calls}), verbose=False)


class _RecordingLlama(Llama):
    """A Llama that records the tokens of each evaluation; the first of a completion is the prompt's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sizes: list[int] = []
        super().__init__(*args, **kwargs)

    def eval(self, tokens: Any) -> None:
        """As Llama's."""
        self.sizes.append(len(tokens))
        super().eval(tokens)


class _ForcedTokens:
    """A logits processor that forces the tokens `ids`, and records when the prompt was read."""

    def __init__(self, ids: list[int], first: Callable[[], None]) -> None:
        self.ids = ids
        self.started = 0.0
        self.prompt = 0
        self._first = first
        self._at = 0

    def __call__(self, input_ids: NDArray[np.intc], scores: NDArray[np.single]) -> NDArray[np.single]:
        if not self._at:
            self.started, self.prompt = perf_counter(), len(input_ids)
            self._first()
        forced = np.full_like(scores, -np.inf)
        forced[self.ids[self._at]] = 0.0
        self._at += 1
        return forced


def template_text(markers: Markers) -> str:
    """Return a Jinja template that renders tools and messages as prompts of the `umi` dialect."""
    opening, middle, end = (json.dumps(text) for text in (markers.open, markers.middle, markers.end))
    return (
        f"{{{{ {json.dumps(markers.header('system'))} }}}}"
        "{% for tool in tools or [] %}{{ tool.function | tojson(separators=(',', ':')) }}"
        '{% if not loop.last %}{{ "\\n" }}{% endif %}{% endfor %}'
        f"{{{{ {end} }}}}"
        f"{{% for message in messages %}}{{{{ {opening} + message.role + {middle} }}}}"
        f"{{% if not loop.last %}}{{{{ message.content + {end} }}}}{{% endif %}}{{% endfor %}}"
    )


def messages(turn: TraceTurn) -> list[dict[str, str]]:
    """Return the turns before `turn` as chat messages, and an empty one of the role that writes."""
    turns = [{"role": part.role, "content": part.content} for part in segments(turn.before)]
    return [*turns[1:], {"role": turn.role, "content": ""}]


def openai_tool(tool: ToolSpec) -> dict[str, Any]:
    """Return a tool in the form that chat templates take."""
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}
