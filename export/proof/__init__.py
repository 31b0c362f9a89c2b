"""Proof of an export: parity with torch, divergence, tokenizer, canary, report."""
