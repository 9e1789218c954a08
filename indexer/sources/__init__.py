"""Sources that are no files of this machine, a module each: documents, with what was rejected.

Each is asked for by a command, bounded, and read as a stream. What a collection remembers of one
between two runs is kept by ``indexer.ingestion``.
"""
