"""The service: asynchronous, in front of a collection; it knows no retrieval."""
