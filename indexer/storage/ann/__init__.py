"""Approximate nearest rows: kinds of index, their files, their recall.

The one place that knows FAISS.
"""
