"""Checks of calls before they run and of answers before they count, by rules that code can decide."""
