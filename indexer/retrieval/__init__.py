"""The path of a query from its text to its answer, over any collection. It knows no index."""
