"""Collections written to files that other programs read, and that index to equal collections.

A document comes with its vectors and the fingerprint of their model, so that it is not embedded
again. What is derived, as indexes are, is left out; ``indexer.readers`` reads what is written.
"""
