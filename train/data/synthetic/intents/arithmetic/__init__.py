"""Intents over `calculate`."""
