"""The stored map of a collection, drawn beside the searches. The mathematics are in analysis."""
