"""SQLite's errors as ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from indexer.errors import Damaged, StorageFailed

_NO_TEXT: Final = "Could not decode to UTF-8"
"""How Python says that a text in the store is none."""


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or _NO_TEXT in str(error):
            raise Damaged(f"{path} is damaged ({error}): restore it from a backup") from error
        raise StorageFailed(f"{path}: {error} ({name or 'SQLite'})") from error
    except UnicodeDecodeError as error:  # SQLite quotes what it cannot parse, whatever it is
        raise Damaged(f"{path} is damaged ({error}): restore it from a backup") from error
