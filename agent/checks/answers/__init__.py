"""Checks of answers: what neither a question nor a tool said is not shown, or is marked."""
