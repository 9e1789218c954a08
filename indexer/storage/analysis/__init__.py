"""The map that a collection keeps, drawn beside the searches. The mathematics are in analysis."""
