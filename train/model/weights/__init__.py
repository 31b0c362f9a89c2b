"""Checkpoints and LoRA adapters as safetensors files, read, merged and written without torch."""
