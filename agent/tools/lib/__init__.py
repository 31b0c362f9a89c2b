"""Code that the built-in tools share: numbers, dates, workspace, stores, output."""
