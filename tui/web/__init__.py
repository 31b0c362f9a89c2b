"""The chat app in a browser of this machine (extra `web`)."""
