"""Texts into words, the weight of a word, and an index of words: the same for every engine.

Where the arrays of an index are stored, and how they are kept in step, is up to each engine.
"""
