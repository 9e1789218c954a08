"""The index of words, derived from the store. What a word is, and counts for, is in lexical."""
