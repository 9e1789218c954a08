"""The engine on one machine: SQLite, memory-mapped vectors, FAISS. Imported by engines alone.

Operations that are the same for every engine are above, in ``indexer.collection``.
"""
