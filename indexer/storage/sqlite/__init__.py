"""The store of documents, chunks and metadata. The one place that knows SQLite.

Vectors and indexes are files beside it.
"""
