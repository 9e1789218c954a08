"""Processes, locks and files for any purpose. It knows no collection."""
