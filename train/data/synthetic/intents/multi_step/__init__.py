"""Intents of several steps: one tool gives what the next one needs."""
