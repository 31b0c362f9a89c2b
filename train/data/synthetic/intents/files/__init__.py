"""The intents over files and notes, and what they share."""
