"""`umi bench`: measurements of models, of other ways to run them, and of the app."""
