"""The systems that write the trace: umi, three plain models, chat completion, llama-server."""
