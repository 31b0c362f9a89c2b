"""The run folder, written and read: recipe, metrics log, checkpoints, manifest, model card."""
