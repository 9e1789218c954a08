"""The lexical index, derived from the store. The analysis of words and BM25 are in lexical."""
