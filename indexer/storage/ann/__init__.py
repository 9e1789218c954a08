"""Approximate nearest rows: kinds of index, their files, their recall.

The one place that knows FAISS. When an index is built, and over which rows, is
up to ``generation``.
"""
