"""Rules that calls are checked by before they run, and how sure the models were of them."""
