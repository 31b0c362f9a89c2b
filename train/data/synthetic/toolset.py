"""The tool list of a group of rows: which tools are offered, and under which names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.tools import builtin_tools
from agent.transcript import Call, ToolSpec
from train.data.foreign.collection import specification_size
from train.data.foreign.requests import Foreign
from train.data.phrasings import foreign
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.wording.aliases import ALIASES

MAX_CHARACTERS = 5000
"""Length from which a list of foreign tools gets no more, about 1,300 tokens; twice that for a long one."""
BUILTIN: dict[str, ToolSpec] = {tool.name: tool.spec for tool in builtin_tools()}
FOREIGN: dict[str, ToolSpec] = {
    tool["name"]: ToolSpec(tool["name"], tool["description"], tool["parameters"]) for tool in foreign.FOREIGN
}


@dataclass(frozen=True)
class Toolset:
    """The specifications of the offered tools and their renamed parameters, by the original names."""

    offered: Mapping[str, ToolSpec]
    renamed: Mapping[str, Mapping[str, str]]

    def has(self, tool: str) -> bool:
        """Return whether a built-in or foreign tool is offered, under any name."""
        return tool in self.offered

    def call(self, tool: str, arguments: Mapping[str, Any]) -> Call:
        """Return a call with the offered names, its arguments in the order of the schema."""
        spec, renamed = self.offered[tool], self.renamed[tool]
        given = {renamed.get(name, name): value for name, value in arguments.items()}
        return Call(spec.name, {name: given[name] for name in spec.parameters["properties"] if name in given})

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The specifications that a model is given, sorted by name."""
        return tuple(sorted(self.offered.values(), key=lambda spec: spec.name))

    @property
    def is_builtin(self) -> bool:
        """Whether every offered tool is a built-in one under its own name."""
        return all(BUILTIN.get(tool) == spec for tool, spec in self.offered.items())


def make_toolset(
    sample: Sampler,
    needs: tuple[str, ...] = (),
    *,
    plain: float = 0.6,
    max_tools: int = 30,
    long: float = 0.375,
) -> Toolset:
    """Return a tool list that offers at least `needs`.

    With probability `plain` it has the built-in tools, as in the app. Else it has more tools than these, up
    to `max_tools`, with probability `long`; or fewer: some of the built-in ones under their own names, or
    built-in and foreign ones, most of the built-in ones renamed.
    """
    rng = sample.rng
    short = len(BUILTIN)
    is_builtin = all(tool in BUILTIN for tool in needs)
    if is_builtin and sample.chance(plain):
        return Toolset(BUILTIN, {tool: {} for tool in BUILTIN})
    is_long = max_tools > short and sample.chance(long)
    if is_builtin and not is_long and sample.chance(0.65):
        size = rng.randint(1, 8) if sample.chance(0.5) else rng.randint(9, short - 1)
        chosen = (*needs, *rng.sample(list(BUILTIN), size))
        return Toolset({tool: BUILTIN[tool] for tool in chosen}, {tool: {} for tool in chosen})
    size = rng.randint(short + 1, max_tools) if is_long else rng.randint(1, min(short, max_tools))
    pool = list(BUILTIN) + list(FOREIGN)
    rest = rng.sample(pool, min(size, len(pool)))
    offered, renamed, taken = {}, {}, set()
    for tool in dict.fromkeys((*needs, *rest)):
        spec, names = (
            _rename(sample, tool) if sample.chance(0.8) else (BUILTIN.get(tool) or FOREIGN[tool], {})
        )
        if spec.name in taken:
            continue
        taken.add(spec.name)
        offered[tool], renamed[tool] = spec, names
    return Toolset(offered, renamed)


def make_foreign_toolset(
    sample: Sampler, foreign: Foreign, max_tools: int = 30, *, long: float = 0.2
) -> Toolset:
    """Return a list of foreign tools, some alike, in a third of the cases with built-in ones among them.

    With probability `long` it is longer than the app's list.
    """
    rng = sample.rng
    short = len(BUILTIN)
    is_long = max_tools > short and sample.chance(long)
    size = rng.randint(short + 1, max_tools) if is_long else rng.randint(1, min(short, max_tools))
    described = sample.chance(0.6)
    offered: dict[str, ToolSpec] = {}
    room = MAX_CHARACTERS * (2 if is_long else 1)
    if sample.chance(0.35):
        offered |= {name: BUILTIN[name] for name in rng.sample(list(BUILTIN), rng.randint(1, min(6, size)))}
    # A small collection may hold fewer tools than are wanted.
    for _ in range(3 * size):
        name = foreign.draw_tool(sample)
        for one in (name, foreign.draw_similar(sample, name)) if sample.chance(0.4) else (name,):
            if one not in BUILTIN and one not in FOREIGN and len(offered) < size:
                offered[one] = _shortened(foreign.tools[one].spec, described)
        if len(offered) >= size or specification_size(offered.values()) > room:
            break
    return Toolset(offered, {tool: {} for tool in offered})


def _shortened(spec: ToolSpec, described: bool) -> ToolSpec:
    """Return a tool with or without the descriptions of its parameters."""
    if described:
        return spec
    properties = {
        name: {key: value for key, value in schema.items() if key != "description"}
        for name, schema in spec.parameters["properties"].items()
    }
    return ToolSpec(spec.name, spec.description, {**spec.parameters, "properties": properties})


def _rename(sample: Sampler, tool: str) -> tuple[ToolSpec, dict[str, str]]:
    if tool not in ALIASES:
        return FOREIGN[tool], {}
    alias, spec = ALIASES[tool], BUILTIN[tool]
    name = sample.pick((tool, *alias.names), 6)
    if sample.chance(0.15):
        name = f"{sample.pseudo_word()}_{sample.rng.choice(('tool', 'run', 'do', 'x'))}"
    description = sample.pick((spec.description, *alias.descriptions), 6)
    names = {old: sample.rng.choice((old, *new)) for old, new in alias.parameters.items()}
    if len(set(names.values())) < len(names):
        names = {}
    properties = {names.get(old, old): schema for old, schema in spec.parameters["properties"].items()}
    parameters = {**spec.parameters, "properties": properties}
    if "required" in parameters:
        parameters["required"] = [names.get(old, old) for old in parameters["required"]]
    return ToolSpec(name, description, parameters), names
