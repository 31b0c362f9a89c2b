"""Code that the built-in tools share: arithmetic, units, dates, workspace, note store, output."""
