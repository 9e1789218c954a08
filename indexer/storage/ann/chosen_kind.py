"""The index chosen for a collection, stored beside it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from indexer.errors import Damaged, StorageFailed
from indexer.index_choice import IndexChoice, IndexKind
from indexer.storage.runtime.durable_files import write_durably

FILE: Final = "index.json"


def keep_choice(folder: Path, choice: IndexChoice) -> None:
    """Store the choice for the collection in a folder, durably."""
    try:
        write_durably(folder / FILE, json.dumps(asdict(choice)).encode())
    except OSError as error:
        raise StorageFailed(f"cannot write {folder / FILE}: {error.strerror}") from error


def kept_choice(folder: Path) -> IndexChoice | None:
    """The choice for the collection in a folder; None if none was made."""
    try:
        record = json.loads((folder / FILE).read_bytes())
        return IndexChoice(**{**record, "kind": IndexKind(record["kind"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"{folder / FILE} does not say which index to keep ({error}): "
            "delete it, and choose again with `bearing rebuild`"
        ) from error
