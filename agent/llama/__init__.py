"""The engine on llama.cpp: the binding, contexts, decoding, constraints, caches."""
