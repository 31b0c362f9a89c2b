"""Intents over files: listing, finding, searching, reading and writing."""
