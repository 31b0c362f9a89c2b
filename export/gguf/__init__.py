"""Conversion of Hugging Face checkpoints and adapters to GGUF."""
