"""Collections in this process's memory: for trials, notebooks and tests, gone when it ends.

Everything is found exactly, by comparing with all. Nothing else is kept here: no files, no index.
"""
