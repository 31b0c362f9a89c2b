"""`umi serve`: umi as a model behind an HTTP interface of OpenAI's form."""
