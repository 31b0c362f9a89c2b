"""Chat templates: Jinja programs of untrusted files, run in a child with limits of time and memory."""
