"""Offer a tool of your own beside a built-in one, and call it as the agent would.

The shipped models know only the built-in tools, so the call is made here; models that you train on your
tools make it themselves.

Prints:

    calculate, word_count
    {'type': 'object', 'properties': {'text': {'type': 'string'}}, 'required': ['text']}
    4
"""

from __future__ import annotations

import umi


@umi.tool(may="read")
def word_count(text: str) -> str:
    """Count the words of a text."""
    return str(len(text.split()))


with umi.open_agent(tools=["calculate", word_count]) as agent:
    print(", ".join(spec.name for spec in agent.toolbox.specs))
    print(word_count.spec.parameters)
    print(agent.toolbox.run(umi.Call("word_count", {"text": "three roles, one backbone"})))
