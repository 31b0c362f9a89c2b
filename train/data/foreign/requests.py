"""Intents over foreign tools: requests of the data, requests made of a description, and what is missing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from agent.errors import InputError
from agent.transcript import ToolSpec, compact
from train.data.foreign.collection import Collection, ForeignRequest, ForeignTool, labelled
from train.data.foreign.values import result_of, value_of
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS, HELD_OUT_VALUES, held_out
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Intent, Outcome, Question, Script, Step, ToolCall
from train.data.synthetic.wording.refusal import refusal
from train.data.synthetic.worlds.world import World

MAX_PARAMETERS = 6
FAILURES = ("service unavailable", "not found", "request timed out", "access denied", "internal error 500")


class Foreign:
    """A collection as the generator draws from it: the tools and texts of one split.

    Raise InputError where the collection has no tool with requests in that split.
    """

    def __init__(self, collection: Collection, is_test: bool) -> None:
        self.tools = {
            name: tool
            for name, tool in collection.tools.items()
            if held_out(name, HELD_OUT_VALUES) == is_test and _plain(tool.spec)
        }
        self.by_tool: dict[str, list[ForeignRequest]] = defaultdict(list)
        for request in collection.usable_requests():
            if all(name in self.tools for name, _ in request.calls):
                self.by_tool[request.calls[0][0]].append(request)
        self.asked = sorted(self.by_tool)
        whole = {
            name for name in self.asked if [*self.tools[name].spec.parameters["properties"]] == ["query"]
        }
        self.kinds = (
            [name for name in self.asked if name not in whole],
            [name for name in self.asked if name in whole],
            sorted(name for name, tool in self.tools.items() if order_of(tool.spec.description)),
        )
        self.unserved = [
            text for text in collection.unserved if held_out(text, HELD_OUT_PHRASINGS) == is_test
        ]
        if not any(self.kinds):
            raise InputError("the foreign data holds no tool that can be asked for", "name other files")
        self.by_word: dict[str, list[str]] = defaultdict(list)
        for name, tool in sorted(self.tools.items()):
            for word in words_of(tool.spec):
                self.by_word[word].append(name)

    def draw_tool(self, sample: Sampler) -> str:
        """Return the name of a tool that there are requests for, few of which are one text as a whole."""
        kinds = [(kind, weight) for kind, weight in zip(self.kinds, (45, 12, 43), strict=True) if kind]
        pool = sample.rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
        return sample.rng.choice(pool)

    def draw_similar(self, sample: Sampler, name: str) -> str:
        """Return a tool with a word of another one's name or description, so that both have to be read."""
        words = sorted(words_of(self.tools[name].spec))
        return sample.rng.choice(self.by_word[sample.rng.choice(words)]) if words else name

    def intents(self, offered: Mapping[str, ToolSpec]) -> list[Intent]:
        """Return the requests that the foreign tools among `offered` serve."""
        found: list[Intent] = []
        for name in offered:
            if name not in self.tools:
                continue
            requests = [r for r in self.by_tool.get(name, ()) if all(tool in offered for tool, _ in r.calls)]
            if requests:
                found.append(_asked(self.tools, name, requests))
            if order_of(self.tools[name].spec.description):
                found.append(_described(self.tools[name]))
        return found

    def unserved_intent(self, sample: Sampler, offered: Mapping[str, ToolSpec]) -> Intent | None:
        """Return a request that none of the offered tools serves; None if none is found."""
        known = {word for name in offered if name in self.tools for word in words_of(offered[name])}
        # What foreign tools are asked for, a built-in one may do: a sum, a date, a search.
        is_foreign = all(name in self.tools for name in offered)
        for _ in range(8):
            if self.asked and is_foreign and (not self.unserved or sample.chance(0.25)):
                name = sample.rng.choice(self.asked)
                text = sample.rng.choice(self.by_tool[name]).question
                served = name in offered
            elif self.unserved:
                text, served = sample.rng.choice(self.unserved), False
            else:
                return None
            if not is_foreign and re.search(r"\d", text):
                continue
            if not served and not known & content_words(text):
                return Intent("unserved", (), "", 1, lambda sample, world, text=text: _refused(text))
        return None


def _plain(spec: ToolSpec) -> bool:
    """Return whether a tool is described, and takes few values, none of them an object or a list of such."""
    properties = spec.parameters["properties"]
    return (
        bool(spec.description)
        and len(properties) <= MAX_PARAMETERS + 4
        and not any(map(_holds_object, properties.values()))
    )


def _holds_object(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    inner = [schema.get("items"), *(schema.get("anyOf") or ()), *(schema.get("oneOf") or ())]
    kind = schema.get("type")
    return "object" in (kind if isinstance(kind, list) else [kind]) or any(map(_holds_object, inner))


def content_words(text: str) -> set[str]:
    """Return the words of four letters or more, without a plural s."""
    return {word.rstrip("s") for word in re.findall(r"[a-z]{4,}", text.lower())}


def words_of(spec: ToolSpec) -> set[str]:
    """Return the content words of a tool's name and description."""
    return content_words(f"{labelled(spec.name)} {spec.description}")


def _refused(text: str) -> Script:
    yield Question(text)
    return Outcome(refusal(text), gave_up=True)


def _asked(tools: Mapping[str, ForeignTool], name: str, requests: list[ForeignRequest]) -> Intent:
    def script(sample: Sampler, world: World) -> Script:
        request = sample.rng.choice(requests)
        yield Question(request.question)
        return (yield from _called(sample, [(tools[tool], arguments) for tool, arguments in request.calls]))

    needs = tuple(dict.fromkeys(tool for request in requests[:1] for tool, _ in request.calls))
    return Intent(f"asked_{name}", needs, "", 2, script)


def _called(sample: Sampler, calls: list[tuple[ForeignTool, Mapping[str, Any]]]) -> Script:
    """Make calls at once and answer with what they return."""
    said = "; ".join(_given(arguments) for _, arguments in calls if arguments)
    thought = f"I will use {{tool}} with {said}." if said else "I will use {tool}."
    if len(calls) > 1:
        others = ", ".join(tool.spec.name for tool, _ in calls[1:])
        thought = f"I will use {{tool}} and {others} with {said}."
    results = [_result(sample, tool) for tool, _ in calls]
    if len(calls) == 1 and sample.chance(0.05):
        results = [(sample.rng.choice(FAILURES), "")]
    to_call = tuple(
        ToolCall(tool.spec.name, dict(arguments), text, not answer)
        for (tool, arguments), (text, answer) in zip(calls, results, strict=True)
    )
    turns = yield Step(thought, to_call)
    if turns[0].error:
        return Outcome(f"It did not work: {turns[0].content}.", gave_up=True)
    answer = " ".join(answer for _, answer in results)
    return Outcome(answer, (), thought="I have the result.", memory=Memory())


def _given(arguments: Mapping[str, Any]) -> str:
    """Return arguments as a thought names them."""
    parts = []
    for name, value in arguments.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else compact(value).strip('"')
        parts.append(f"{name} {text}" if len(text) < 60 else f"{name} as it was asked")
    return ", ".join(parts)


def _result(sample: Sampler, tool: ForeignTool) -> tuple[str, str]:
    """Return an observation, and the answer that quotes it."""
    if tool.responses:
        fields = sample.rng.sample(tool.responses, min(len(tool.responses), 3))
        result = {name: result_of(sample, name, kind) for name, kind in fields}
        said = "; ".join(
            f"{labelled(name)}: {compact(value).strip(chr(34))}" for name, value in result.items()
        )
        return compact(result), f"{said[:1].upper()}{said[1:]}."
    text = sample.phrase() if sample.chance(0.5) else f"{sample.word()} {sample.rng.randint(2, 900)}"
    said = text.rstrip(".")
    return sample.rng.choice(
        (
            (compact({"result": text}), f"The result: {said}."),
            (text, f"It says: {said}."),
            (compact({"status": "ok"}), "That is done: ok."),
            (compact({"results": [text]}), f"Found: {said}."),
            ("done", "It is done."),
        )
    )


def order_of(description: str) -> str:
    """Return a description as an order, "retrieve the forecast"; empty if it is none."""
    first, _, rest = description.rstrip(". ").partition(" ")
    verb = first.lower()
    if not verb.isalpha() or not rest or ". " in rest or len(description) > 110:
        return ""
    if verb.endswith("s") and not verb.endswith("ss"):
        if verb in ("allows", "this", "provides", "enables", "returns", "is"):
            return ""
        verb = verb[:-2] if verb.endswith(("ches", "shes")) else verb[:-1]
    if verb in (
        "the",
        "a",
        "an",
        "api",
        "this",
        "tool",
        "get's",
        "returns",
        "allow",
        "for",
        "it",
        "all",
        "current",
    ):
        return ""
    return f"{verb} {rest}"


def _described(tool: ForeignTool) -> Intent:
    """Return the intent whose question is made of a tool's description and random values."""
    spec = tool.spec
    order = order_of(spec.description)
    properties, required = spec.parameters["properties"], set(spec.parameters.get("required", ()))

    def script(sample: Sampler, world: World) -> Script:
        optional = [n for n in properties if n not in required and properties[n].get("type") != "boolean"]
        chosen = required | set(sample.rng.sample(optional, min(len(optional), sample.rng.randint(0, 2))))
        values = {n: value_of(sample, n, properties[n]) for n in properties if n in chosen}
        if len(values) > MAX_PARAMETERS:
            raise ValueError(spec.name)
        lacking = [n for n in required if isinstance(values[n], str)]
        if len(required) < 4 and len(lacking) == len(values) and lacking and sample.chance(0.08):
            return (yield from _lacking(sample, values))
        yield Question(_question(sample, values))
        return (yield from _called(sample, [(tool, values)]))

    def _lacking(sample: Sampler, values: Mapping[str, Any]) -> Script:
        yield Question(sample.question("unseen_lacking", do=order))
        names = [labelled(name) for name in values]
        joined = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        yield Outcome(f"Which {joined}?", thought=f"The {joined} is missing, so I ask for it.")
        yield Question(_list_of(sample, values))
        return (yield from _called(sample, [(tool, values)]))

    def _question(sample: Sampler, values: Mapping[str, Any]) -> str:
        if not values:
            return sample.question("unseen_bare", do=order)
        if len(values) == 1 and sample.chance(0.6):
            return sample.question("unseen_for", do=order, value=_shown(*values.values()))
        return sample.question("unseen_with", do=order, given=_list_of(sample, values))

    return Intent(f"described_{spec.name}", (spec.name,), "", 1, script)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else f"{value}"


def _list_of(sample: Sampler, values: Mapping[str, Any]) -> str:
    """Return values with the names of their parameters as a person lists them."""
    form, joint = sample.rng.choice(
        (("{} {}", ", "), ("{}: {}", ", "), ("the {} is {}", " and "), ("{} {}", " and "), ("{}={}", ", "))
    )
    return joint.join(form.format(labelled(name), _shown(value)) for name, value in values.items())
