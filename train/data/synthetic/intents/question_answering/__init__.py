"""Intents that ask for what a file or a note says: a statement, a value, a cell of a table."""
