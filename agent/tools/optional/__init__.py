"""The tools that are off until they are switched on, one file each."""
