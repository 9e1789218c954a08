"""The aliases of the collections in a folder: one file beside them, replaced as a whole."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from indexer.errors import CollectionBusy, Damaged, OtherFormat, StorageFailed
from indexer.installation import how_to_update
from indexer.storage.runtime.durable_files import Stamp, file_stamp, write_durably
from indexer.storage.runtime.locks import PATIENCE_SECONDS, try_lock

FORMAT: Final = 1
_FILE: Final = ".aliases.json"
_POLL_SECONDS: Final = 0.01


class AliasFile:
    """The aliases in a folder, read again when another process has changed them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / _FILE
        self._known: tuple[Stamp, Mapping[str, str]] | None = None

    def read(self) -> Mapping[str, str]:
        """The collection that each alias names; raises Damaged or OtherFormat."""
        stamp = file_stamp(self._path)
        if stamp is None:
            return {}
        known = self._known
        if known is None or known[0] != stamp:
            known = self._known = stamp, self._read()
        return known[1]

    def _read(self) -> Mapping[str, str]:
        try:
            kept = json.loads(self._path.read_bytes())
            version, aliases = kept["format"], dict(kept["aliases"])
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageFailed(f"cannot read {self._path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(
                f"{self._path} is not what was written ({error}): remove it, and set the aliases "
                "anew (bearing alias set ALIAS COLLECTION)"
            ) from error
        if version != FORMAT:
            raise OtherFormat(f"{self._path} is of a later version: {how_to_update()}")
        return aliases

    def write(self, aliases: Mapping[str, str]) -> None:
        """Keep these in place of all, durably; to be called while it is locked."""
        content = json.dumps({"format": FORMAT, "aliases": dict(sorted(aliases.items()))})
        try:
            write_durably(self._path, content.encode())
        except OSError as error:
            raise StorageFailed(f"cannot write {self._path}: {error.strerror}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other threads and processes from changing names; raises CollectionBusy."""
        end = time.monotonic() + PATIENCE_SECONDS
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while not try_lock(descriptor):
                if time.monotonic() > end:
                    raise CollectionBusy(
                        f"another process changes names in {self._folder}: try again"
                    )
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)  # closing releases the lock
