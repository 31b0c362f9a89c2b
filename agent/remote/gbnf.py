"""Grammars of the roles in GBNF, for servers on llama.cpp that were built without llguidance.

They hold the form of a turn: the planner's endings, the tools' names and schemas, no control characters. What
arguments and answers may be made of is looked at when the text is here (`agent.remote.checking`).
"""

from __future__ import annotations

import json
import re

from llama_cpp.llama_grammar import SchemaConverter

from agent.llama.grammar.calls import MAX_CALLS, closed, names_tool
from agent.llama.grammar.constraints import BRIEF_THOUGHT, MAX_THOUGHT
from agent.transcript import PlannerTurn, Role, Transcript, compact

_CHARACTER = r"[^\x00-\x1F\x7F-\x9F]"


def gbnf(role: Role, transcript: Transcript, *, brief: bool = False) -> str:
    """Return the GBNF grammar of the turn of `role` after `transcript`."""
    match role:
        case "planner":
            endings = [*(["caller"] if transcript.tools else []), "summarizer", "give up"]
            choice = " | ".join(map(json.dumps, endings))
            first = r"[^\x00-\x20\x7F-\x9F]"
            longest = BRIEF_THOUGHT if brief else MAX_THOUGHT
            rest = f"{_CHARACTER}{{0,{longest - 1}}}"
            return rf'root ::= {first} {rest} "\nNext: " ({choice})'
        case "caller":
            return _calls(transcript)
        case "summarizer":
            return rf"root ::= [^\x00-\x20\x7F-\x9F] ({_CHARACTER} | [\n\t])*"


def _calls(transcript: Transcript) -> str:
    last = transcript.turns[-1] if transcript.turns else None
    thought = last.content if isinstance(last, PlannerTurn) else ""
    named = [tool for tool in transcript.tools if names_tool(thought, tool.name)]
    tools = sorted(named or transcript.tools, key=lambda tool: tool.name)
    converter = SchemaConverter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
    rules = []
    for index, tool in enumerate(tools):
        schema = converter.resolve_refs(closed(tool.parameters), f"tool{index}")
        arguments = converter.visit(schema, f"arguments{index}")
        opening = json.dumps(f'{{"name":{compact(tool.name)},"arguments":')
        rules.append(f'call{index} ::= {opening} {arguments} "}}"')
    schemas = re.sub(r"^space ::= .*$", 'space ::= ""', converter.format_grammar(), flags=re.MULTILINE)
    schemas = schemas.replace(r'char ::= [^"\\]', r'char ::= [^"\\\x00-\x1F\x7F-\x9F]')
    root = " | ".join(f"call{index}" for index in range(len(tools)))
    return "\n".join(
        [rf'root ::= call ("\n" call){{0,{MAX_CALLS - 1}}}', f"call ::= {root}", *rules, schemas]
    )
