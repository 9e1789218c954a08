"""One machine's collection: SQLite, memory-mapped vectors, FAISS."""
