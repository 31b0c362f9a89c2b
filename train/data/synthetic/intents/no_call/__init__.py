"""Requests that call no tool, or ask for something first: talk, knowledge, what no tool on offer does."""
