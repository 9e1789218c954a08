"""Texts into words, and the weight of a word: the same for every engine.

Where words are stored and looked up is up to each engine.
"""
