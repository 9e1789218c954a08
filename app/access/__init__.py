"""Access: keys, what each may do, and how often. It knows no HTTP."""
