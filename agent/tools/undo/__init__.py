"""Undo: the store of what files held before they were written, and putting it back."""
