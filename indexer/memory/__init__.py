"""Collections in this process's memory: for trials, notebooks and tests, gone when it ends.

Every search is exact, by comparing with all vectors. There are no files and no index.
"""
