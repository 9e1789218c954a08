"""Queries on one state of a collection. It writes nothing."""
