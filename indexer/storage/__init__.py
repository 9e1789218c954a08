"""The engine on one machine: SQLite, memory-mapped vectors, FAISS. Imported by engines alone."""
