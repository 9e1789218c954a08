"""A collection's words: how texts become words, an index of them, and their scores by BM25."""
