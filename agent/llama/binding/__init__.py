"""The binding of llama.cpp: models, contexts, quantization, hardware, memory."""
