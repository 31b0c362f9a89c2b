"""The command tree of `umi`: a file for each group declares its commands and loads nothing heavy."""
