"""The layouts of a bundle: merged, shared, single."""
