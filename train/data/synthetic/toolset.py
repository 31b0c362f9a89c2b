"""A tool list for one group of questions: which tools are on offer and what they are called there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.tools import builtin_tools
from agent.transcript import Call, ToolSpec
from train.data.phrasings import foreign
from train.data.synthetic.aliases import ALIASES
from train.data.synthetic.draw import Draw

BUILTIN: dict[str, ToolSpec] = {tool.name: tool.spec for tool in builtin_tools()}
FOREIGN: dict[str, ToolSpec] = {
    tool["name"]: ToolSpec(tool["name"], tool["description"], tool["parameters"]) for tool in foreign.FOREIGN
}


@dataclass(frozen=True)
class Toolset:
    """The tools on offer by their own names: `shown` as models see them, `renamed` parameters by old name."""

    shown: Mapping[str, ToolSpec]
    renamed: Mapping[str, Mapping[str, str]]

    def has(self, tool: str) -> bool:
        """Whether a built-in or foreign tool is on offer, under whatever name."""
        return tool in self.shown

    def call(self, tool: str, arguments: Mapping[str, Any]) -> Call:
        """A call in the names on offer, its arguments in the order of the schema."""
        spec, renamed = self.shown[tool], self.renamed[tool]
        given = {renamed.get(name, name): value for name, value in arguments.items()}
        return Call(spec.name, {name: given[name] for name in spec.parameters["properties"] if name in given})

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What a model is told, sorted by name."""
        return tuple(sorted(self.shown.values(), key=lambda spec: spec.name))

    @property
    def real(self) -> bool:
        """Whether every tool on offer is a built-in one under its own name."""
        return all(BUILTIN.get(tool) == spec for tool, spec in self.shown.items())


def make_toolset(d: Draw, needs: tuple[str, ...] = (), *, plain: float = 0.55, most: int = 16) -> Toolset:
    """A list that offers at least `needs`.

    With probability `plain` the built-in tools under their own names: all of them, as the app offers them, or
    some. Else some of them under other names, with tools of other programs in between.
    """
    rng = d.rng
    if d.chance(plain) and all(tool in BUILTIN for tool in needs):
        every = d.chance(0.6)
        chosen = list(BUILTIN) if every else rng.sample(list(BUILTIN), rng.randint(1, 8))
        offered = {tool: BUILTIN[tool] for tool in (*needs, *chosen)}
        return Toolset(offered, {tool: {} for tool in offered})
    size = rng.randint(1, most)
    pool = list(BUILTIN) + list(FOREIGN)
    rest = rng.sample(pool, min(size, len(pool)))
    shown, renamed, taken = {}, {}, set()
    for tool in dict.fromkeys((*needs, *rest)):
        spec, names = _renamed(d, tool) if d.chance(0.8) else (BUILTIN.get(tool) or FOREIGN[tool], {})
        if spec.name in taken:
            continue
        taken.add(spec.name)
        shown[tool], renamed[tool] = spec, names
    return Toolset(shown, renamed)


def _renamed(d: Draw, tool: str) -> tuple[ToolSpec, dict[str, str]]:
    if tool not in ALIASES:
        return FOREIGN[tool], {}
    alias, spec = ALIASES[tool], BUILTIN[tool]
    name = d.pick((tool, *alias.names), 6)
    if d.chance(0.15):
        name = f"{d.pseudo_word()}_{d.rng.choice(('tool', 'run', 'do', 'x'))}"
    description = d.pick((spec.description, *alias.descriptions), 6)
    names = {old: d.rng.choice((old, *new)) for old, new in alias.parameters.items()}
    if len(set(names.values())) < len(names):
        names = {}
    properties = {names.get(old, old): schema for old, schema in spec.parameters["properties"].items()}
    parameters = {**spec.parameters, "properties": properties}
    if "required" in parameters:
        parameters["required"] = [names.get(old, old) for old in parameters["required"]]
    return ToolSpec(name, description, parameters), names
