"""Drafts: tokens that very probably come next, guessed without the model and verified by it in one decode."""
