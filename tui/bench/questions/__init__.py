"""`umi bench questions` and `umi bench stock`: seconds and choices on questions of our own."""
