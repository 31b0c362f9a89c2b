"""Evaluation of models: tasks, metrics, suites, fixtures."""
