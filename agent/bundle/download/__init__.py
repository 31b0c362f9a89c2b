"""Bundles and bases from elsewhere: the catalogue, the package index, the Hugging Face Hub."""
