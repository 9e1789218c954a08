"""Whose key it is, what it may do, how often it may ask. It knows no HTTP."""
