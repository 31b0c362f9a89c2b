"""The question about a call, and the editor of its arguments."""
