"""Analysis of a collection's vectors: figures, diagnostics and the map. It stores nothing."""
