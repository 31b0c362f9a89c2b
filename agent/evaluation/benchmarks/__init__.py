"""Public benchmarks, one step of the roles a case: BFCL, ToolAlpaca, and the static metrics of alpha-UMi."""
