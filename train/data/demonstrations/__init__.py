"""Demonstrations: dialogues written by hand, whose calls are run by the built-in tools."""
