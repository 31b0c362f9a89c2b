"""GGUF files before llama.cpp reads them: the header, the checks of its values, and trial loads in a child process."""
