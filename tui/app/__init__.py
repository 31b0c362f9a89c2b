"""The chat app, written with Textual."""
