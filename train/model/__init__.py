"""The model in training: the base with LoRA, attention over packed rows, generation, and weights on disk."""
