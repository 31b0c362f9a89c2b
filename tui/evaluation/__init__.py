"""`umi eval`: suites of held-out rows and public benchmarks, on one bundle or several."""
