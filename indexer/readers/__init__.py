"""File formats: one function per format, (path) -> documents."""
