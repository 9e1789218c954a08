"""Backups, and the check of all that a collection keeps."""
