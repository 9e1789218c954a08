"""The store of documents, chunks and metadata. The one place that knows SQLite."""
