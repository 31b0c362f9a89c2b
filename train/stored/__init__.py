"""Rows of a run that may be larger than memory."""
