"""The front ends: the `umi` command, its benchmark and evaluations, and the Textual app."""
