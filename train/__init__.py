"""Make models: data, a base, the two stages of QLoRA, plans and benchmarks (extra `train`)."""
