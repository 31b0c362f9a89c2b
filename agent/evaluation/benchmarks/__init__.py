"""Public benchmarks whose cases are single steps: BFCL, ToolAlpaca, and the static metrics of alpha-UMi."""
