"""How texts become words, and what a word counts for: the same for every engine.

Where words are kept and looked up is an engine's own.
"""
