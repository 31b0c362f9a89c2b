"""Numbers: arithmetic expressions, units, and how results are written."""
