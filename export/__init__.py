"""Make bundles of trained models: merge, GGUF, proof, quantization, description (extra `export`)."""
