"""Generation of synthetic trajectories by running the built-in tools in small workspaces."""
