"""SQLite's errors translated to ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from indexer.errors import Damaged, StorageFailed

_NO_TEXT: Final = "Could not decode to UTF-8"
"""Python's message about a text in the store that is not valid."""


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Translate SQLite's errors to ours."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or _NO_TEXT in str(error):
            raise Damaged(f"{path} is damaged ({error}): restore it from a backup") from error
        raise StorageFailed(f"{path}: {error} ({name or 'SQLite'})") from error
    except UnicodeDecodeError as error:  # SQLite quotes what it cannot parse, whatever it is
        raise Damaged(f"{path} is damaged ({error}): restore it from a backup") from error
