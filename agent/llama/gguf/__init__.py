"""GGUF files before llama.cpp reads them: their header, checks of its values, trial loads in a child."""
