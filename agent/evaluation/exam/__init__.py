"""The exam of `umi eval tasks`: tasks and dialogues over the built-in tools, and their judgement."""
