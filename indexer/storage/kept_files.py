"""Small derived files of the rooms above the engine, kept in a collection's folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

from indexer.embedding.embedder import Identity
from indexer.engine import KeptBytes
from indexer.errors import StorageFailed
from indexer.storage.runtime.durable_files import file_stamp, write_durably

CALIBRATIONS: Final = "calibration.json"
SCORE_BACKGROUND: Final = "background.bin"


def adapter_file(identity: Identity) -> str:
    """The name of the file of a model's adapter."""
    return _adapter_file(identity.fingerprint)


@lru_cache(maxsize=64)
def _adapter_file(fingerprint: str) -> str:  # asked at each search
    digest = hashlib.sha256(fingerprint.encode()).hexdigest()
    return f"adapter-{digest[:24]}.bin"


_log = logging.getLogger(__name__)


class KeptFile:
    """Keeps one item in a file; see indexer.engine.Keeper."""

    def __init__(self, place: Path | Callable[[Identity], Path | None]) -> None:
        """``place`` is the file, or gives the one for a model, None for a model that was left."""
        self._place = place

    def read(self, identity: Identity, known: KeptBytes | None = None) -> KeptBytes | None:
        """The content of the file; ``known`` itself if unchanged, None if there is none.

        A file that cannot be read is reported and ignored.
        """
        path = self._place if isinstance(self._place, Path) else self._place(identity)
        stamp = file_stamp(path) if path else None
        if path is None or stamp is None:
            return None
        if known is not None and known.stamp == stamp:
            return known
        try:
            return KeptBytes(stamp, path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("%s cannot be read (%s): it is ignored", path, error.strerror)
            return None

    def write(self, identity: Identity, content: bytes) -> None:
        """Replace the file, durably; raises StorageFailed."""
        path = self._place if isinstance(self._place, Path) else self._place(identity)
        if path is None:
            return
        try:
            write_durably(path, content)
        except OSError as error:
            raise StorageFailed(f"cannot write {path}: {error.strerror}") from error
