"""The scrolling transcript and its blocks."""
