"""The three roles on a server elsewhere that speaks OpenAI's protocol (`--engine URL`)."""
