"""The check of training rows: validity, duplicates, lengths, and the report."""
