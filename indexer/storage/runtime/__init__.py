"""Processes, locks and files, whatever they are used for. It knows no collection."""
