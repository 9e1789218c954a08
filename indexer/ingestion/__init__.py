"""Documents into a collection: what changed, chunks, vectors, writes, and what is in step.

Of files it looks at no more than their status and a digest of their content.
"""
