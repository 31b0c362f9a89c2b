"""`umi bench`: a fixed conversation on a bundle, beside other ways of running it."""
