"""The models of a bundle or a run as vLLM serves them: a checkpoint, plain LoRA adapters, a configuration."""
