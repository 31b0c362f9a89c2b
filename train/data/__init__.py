"""Training data: made, imported, checked, shown, mixed, and encoded for a stage."""
