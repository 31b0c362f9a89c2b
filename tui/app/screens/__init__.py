"""Screens that open over the chat: help, models, tools."""
