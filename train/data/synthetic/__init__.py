"""Synthetic trajectories over the built-in tools: questions, worlds, tool lists and what should happen."""
