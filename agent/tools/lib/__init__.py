"""What the built-in tools share: arithmetic, units, dates, the workspace, output."""
