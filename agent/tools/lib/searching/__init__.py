"""Searching of the workspace: for files by their names, and for words in their texts."""
