"""The `umi` command."""
