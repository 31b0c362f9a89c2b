"""The front ends: the `umi` command, its benchmark, and the Textual app."""
