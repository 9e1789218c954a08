"""A query's way from its text to its answer, over any collection. It knows no index."""
