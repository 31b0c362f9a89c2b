"""Wording: paraphrases, numbers in words, other names of tools, refusals."""
