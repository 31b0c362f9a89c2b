"""`umi bench app`: seconds of the app in pseudo-terminals."""
