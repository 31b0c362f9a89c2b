"""The terminal: its streams, Ctrl-C, progress, questions, the log."""
