"""The texts of a bundle for people and other programs: model card, Modelfiles, provenance."""
