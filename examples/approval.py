"""Decide in Python whether a call that writes may run.

Prints:

    write_file may write: {'path': 'greet.txt', 'content': 'hello there'}
    refused: the user refused this call: nothing is written today
"""

from __future__ import annotations

import umi
from umi.events import Observation


def refuse(request: umi.Request) -> umi.Deny:
    """Say what the call would do, and refuse it."""
    print(f"{request.tool.name} may {request.tool.may}: {dict(request.call.arguments)}")
    return umi.Deny("nothing is written today")


with umi.open_agent() as agent:
    for event in agent.run(agent.begin(), "write 'hello there' to greet.txt", approve=refuse):
        if isinstance(event, Observation) and not event.ok:
            print(f"refused: {event.content}")
            break
