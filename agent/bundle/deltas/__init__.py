"""Bundles of deltas: LoRA adapters and a named base, merged into whole models on this machine."""
