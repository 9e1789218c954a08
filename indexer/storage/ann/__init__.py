"""The files of an index, and the kind that was chosen.

When an index is built, and over which rows, is up to ``generation``.
"""
