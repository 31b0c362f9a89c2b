"""Benchmarks of training: its speed beside TRL's, and its memory. Nothing else in `train` imports this."""
