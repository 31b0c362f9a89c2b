"""What importers share: reading, dialogues, schemas, argument fitting."""
