"""Small workspaces: their files, what the files say, and the sandbox that calls run in."""
