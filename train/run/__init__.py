"""The run folder: recipe, metrics log, checkpoints, model card."""
