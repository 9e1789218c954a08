"""Backups, and the check of all that a collection keeps.

Nothing here runs by itself: it is asked for by commands.
"""
