"""What was learned from judged queries, kept with a collection.

One file holds the calibration of each kind of ranking, with a checksum. A calibration is of one
model; when another takes the collection over, it is left out and said so.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from indexer.errors import Damaged, StorageFailed
from indexer.ranking.calibration import Calibration, Curve, Errors
from indexer.storage.runtime.durable_files import write_durably

FILE: Final = "calibration.json"
_FORMAT: Final = 1

_log = logging.getLogger(__name__)


class Calibrations:
    """The calibrations of the collection in a folder, read anew when the file is another."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._read: tuple[int, str, Mapping[str, Calibration]] = (0, "", {})

    def of(self, model: str) -> Mapping[str, Calibration]:
        """Those of a model, a fingerprint, by their kind of ranking."""
        stamp = self._stamp()
        known = self._read
        if known[:2] != (stamp, model):
            known = self._read = stamp, model, self._load(model) if stamp else {}
        return known[2]

    def keep(self, calibration: Calibration) -> None:
        """Put a calibration in place of the last of its kind, durably; others' models' go."""
        kept = {**self.of(calibration.model), calibration.ranking: calibration}
        lines = json.dumps([asdict(one) for one in kept.values()])
        digest = hashlib.sha256(lines.encode()).hexdigest()
        record = {"format": _FORMAT, "sha256": digest, "calibrations": lines}
        try:
            write_durably(self._path, json.dumps(record).encode())
        except OSError as error:
            raise StorageFailed(f"cannot write {self._path}: {error.strerror}") from error

    def _stamp(self) -> int:
        try:
            found = self._path.stat()
        except OSError:
            return 0
        return hash((found.st_ino, found.st_size, found.st_mtime_ns)) or 1

    def _load(self, model: str) -> Mapping[str, Calibration]:
        try:
            found = _decode(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, Damaged) as error:
            _log.warning("%s is damaged (%s): calibrate again", self._path, error)
            return {}
        for one in found:
            if one.model != model:
                _log.warning(
                    "%s: what was learned for mode %s is of another model, and left out: "
                    "calibrate again",
                    self._path,
                    one.ranking,
                )
        return {one.ranking: one for one in found if one.model == model}


def _decode(written: bytes) -> list[Calibration]:
    record = json.loads(written)
    lines = record["calibrations"]
    if record["format"] != _FORMAT or not isinstance(lines, str):
        raise Damaged(f"it is of no format that is known: {record['format']}")
    if hashlib.sha256(lines.encode()).hexdigest() != record["sha256"]:
        raise Damaged("it is not what was written")
    return [_calibration(one) for one in json.loads(lines)]


def _calibration(fields: dict[str, Any]) -> Calibration:
    curve = fields["curve"]
    curve |= {name: tuple(curve[name]) for name in ("knots", "values")}
    return Calibration(**{**fields, "curve": Curve(**curve), "errors": Errors(**fields["errors"])})
