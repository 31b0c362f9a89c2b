"""`umi models`: bundles and bases."""
