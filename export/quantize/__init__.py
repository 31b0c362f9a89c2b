"""Quantization, importance matrices, and the selection of a type."""
