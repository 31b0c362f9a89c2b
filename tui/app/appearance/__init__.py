"""Looks and keys: themes, ASCII, and what the config file says of them."""
