"""The lexical index, derived from the store: its files. The index itself is in lexical."""
