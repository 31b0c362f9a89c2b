"""Which tools are on offer where there are more than models can read at once."""
