"""Confinement of tools to the files of one folder: resolution of paths, protected places, listings."""
