"""The conversation on the screen: questions that wait, files given along, completion, what runs."""
