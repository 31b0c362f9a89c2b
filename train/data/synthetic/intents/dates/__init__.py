"""Intents over the clock and over dates."""
