"""Code that the importers share: reading, chat messages, schemas, coercion of arguments."""
