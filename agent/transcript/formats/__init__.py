"""Data in other formats as turns: reading of files, chat messages, schemas of tools, types of arguments."""
