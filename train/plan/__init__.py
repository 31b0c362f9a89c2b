"""Estimates of the memory and time of a run, before anything is loaded."""
