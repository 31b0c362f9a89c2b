"""What a bundle carries for people and other programs: card, Modelfiles, provenance."""
