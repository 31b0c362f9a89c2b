"""Ask a question and follow the agent step by step.

Prints:

    planner: I will work this out with calculate. (caller)
    calculate {'expression': '17.5% * 240'}
      42
    planner: I have what I need to answer. (summarizer)
    17.5% * 240 = 42
    answered
"""

from __future__ import annotations

import umi
from umi.events import CallProposed, Finished, Observation, Thought

with umi.open_agent(tools=["calculate"]) as agent:
    conversation = agent.begin()
    for event in agent.run(conversation, "what is 17.5% of 240?"):
        match event:
            case Thought(_, text, next_role):
                print(f"planner: {text} ({next_role})")
            case CallProposed(_, _, name, arguments):
                print(name, dict(arguments))
            case Observation(_, _, _, _, content):
                print(f"  {content}")
            case Finished(reason, answer):
                print(answer)
                print(reason)
