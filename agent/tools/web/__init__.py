"""Web pages for `fetch_url`: requests to public addresses alone, and the text of what is answered."""
