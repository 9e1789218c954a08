"""The nearest of rows in memory: exactly, or by an index; and the recall of indexes.

The one place that knows FAISS. It stores nothing.
"""
