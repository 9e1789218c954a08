"""Models behind an address: those of OpenAI's kind, text-embeddings-inference and Ollama.

They are asked only where the user names the address. What is called, and how its answers look, is
in ``protocols``; how often, in ``calling``.
"""
