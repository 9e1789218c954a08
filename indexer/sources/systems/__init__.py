"""The contents of other systems, a system each: entries with their texts, fields and vectors.

Each is read by its own library, or from its files, as a stream. A system is a module beside this
one, and a row of the table in ``opening``.
"""
