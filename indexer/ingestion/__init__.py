"""Documents into a collection: what changed, chunks, vectors, writes. It reads no files."""
