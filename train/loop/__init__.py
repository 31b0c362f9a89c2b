"""The training loop, and the pipeline of stages around it."""
