"""What a turn may be: the grammars of the roles, and the numbers and texts that they may hold."""
