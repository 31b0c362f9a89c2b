"""Unseen tools: names, descriptions, parameters and requests of public data, read when rows are made."""
