"""What unrelated texts score in a collection, kept beside its vectors.

It is derived from a sample of the rows, always the same for the same rows, and made anew when
many have come since. While a collection is small that happens within the search that needs it
first; later beside the searches, which go on with the last one, or without. The file holds
moments and quantiles, nothing that was written; one that is damaged or cannot be written is
reported, and done without.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import threading
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.errors import Damaged
from indexer.ranking.significance import Background, Fit, Survival, Tail, background_of
from indexer.storage.generation.row_table import RowTable
from indexer.storage.generation.row_writer import NOBODY
from indexer.storage.runtime.durable_files import write_durably
from indexer.storage.runtime.subprocess_job import lower_priority

FILE: Final = "background.bin"
SAMPLE_ROWS: Final = 8_192
AT_ONCE_ROWS: Final = 20_000
"""Of so many rows or fewer it is made while a search waits, in some tenths of a second."""

GROWN: Final = 1.25
"""It is made anew when there are this many times the rows that it is a sample of."""

_FORMAT: Final = 1
_SEED: Final = 5
_DIGEST_BYTES: Final = 32

_log = logging.getLogger(__name__)


def sample_background(rows: RowTable) -> Background | None:
    """The background of these rows, by at most SAMPLE_ROWS of them; None for a small collection."""
    drawn = sample_rows(rows, SAMPLE_ROWS)
    place = np.sort(drawn)  # read in order, which a disk thanks for
    vectors = np.array(rows.vectors[place])[np.searchsorted(place, drawn)]
    return background_of(vectors, rows.owners[drawn], len(rows.owners))


def sample_rows(rows: RowTable, count: int) -> NDArray[np.int64]:
    """At most ``count`` rows that are of documents, in random order; the same for the same rows."""
    rng = np.random.default_rng(_SEED)
    total = len(rows.owners)
    if total > 4 * count:  # a permutation of all would take longer than all the rest
        drawn = rng.choice(total, size=2 * count, replace=False, shuffle=True)
        drawn = drawn[rows.owners[drawn] != NOBODY]
        if len(drawn) >= count:
            enough: NDArray[np.int64] = drawn[:count]
            return enough
    members = np.flatnonzero(rows.owners != NOBODY)
    chosen: NDArray[np.int64] = rng.permutation(members)[:count]
    return chosen


@dataclass(frozen=True, slots=True)
class _Kept:
    """The background of a generation; ``rows`` it had then."""

    generation: int
    rows: int
    background: Background | None

    def is_fresh(self, rows: RowTable) -> bool:
        grown = 1.0 if self.background is None else GROWN
        return self.generation == rows.generation and len(rows.owners) <= grown * self.rows


class Backgrounds:
    """The background of a collection as it grows; safe to ask from several threads."""

    def __init__(self, at_once: int = AT_ONCE_ROWS) -> None:
        self._at_once = at_once
        self._kept = _Kept(-1, -1, None)
        self._making = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def of(self, place: Path, rows: RowTable) -> Background | None:
        """The background of these rows, or one that is made soon; None if there is none yet.

        ``place`` is their generation's folder.
        """
        if not self._kept.is_fresh(rows):
            if len(rows.owners) <= self._at_once:
                self.make(place, rows)
            else:
                self._start(place, rows)
        kept = self._kept
        return kept.background if kept.generation == rows.generation else None

    def make(self, place: Path, rows: RowTable) -> None:
        """Read the background that is kept, or make it and keep it, if another is due."""
        with self._making:
            if self._kept.generation != rows.generation and (found := read(place)):
                self._kept = _Kept(rows.generation, found.rows, found)
            if self._kept.is_fresh(rows):
                return
            made = sample_background(rows)
            if made is not None:
                write(place, made)
            self._kept = _Kept(rows.generation, len(rows.owners), made)

    def close(self) -> None:
        """Wait for one that is being made."""
        self._closed = True
        with self._starting:
            if self._thread is not None:
                self._thread.join()

    def _start(self, place: Path, rows: RowTable) -> None:
        with self._starting:
            if not self._closed and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(
                    target=self._run, args=(place, rows), name="background", daemon=True
                )
                self._thread.start()

    def _run(self, place: Path, rows: RowTable) -> None:
        lower_priority()
        self.make(place, rows)


def write(place: Path, background: Background) -> None:
    """Keep a background in a generation's folder; where that fails, it is only remembered."""
    fields: dict[str, Any] = {
        "format": _FORMAT,
        "tail": asdict(background.survival.tail),
        "rows": background.rows,
        "sampled": background.sampled,
        "pairs": background.pairs,
        "near": background.near,
        "cosine": background.cosine,
        "fit": asdict(background.fit),
    }
    file = io.BytesIO()
    np.savez(
        file,
        fields=np.frombuffer(json.dumps(fields).encode(), dtype=np.uint8),
        mean=background.mean,
        covariance=background.covariance,
        knots=background.survival.knots,
        levels=background.survival.levels,
    )
    encoded = file.getvalue()
    try:
        write_durably(place / FILE, hashlib.sha256(encoded).digest() + encoded)
    except OSError as error:  # as in a folder that is only read
        _log.info("%s is not kept (%s): it will be made again", place / FILE, error.strerror)


def read(place: Path) -> Background | None:
    """The background that is kept in a generation's folder; None, reported, if it is damaged."""
    try:
        return _decode((place / FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile, Damaged) as error:
        _log.warning("%s is damaged (%s): it is made anew", place / FILE, error)
        return None


def _decode(written: bytes) -> Background:
    digest, encoded = written[:_DIGEST_BYTES], written[_DIGEST_BYTES:]
    if hashlib.sha256(encoded).digest() != digest:
        raise Damaged("it is not what was written")
    with np.load(io.BytesIO(encoded), allow_pickle=False) as file:
        fields = json.loads(file["fields"].tobytes())
        if fields["format"] != _FORMAT:
            raise Damaged(f"format {fields['format']}, not {_FORMAT}")
        fit = fields["fit"]
        fit |= {name: tuple(fit[name]) for name in ("expected", "observed")}
        return Background(
            file["mean"],
            file["covariance"],
            Survival(file["knots"], file["levels"], Tail(**fields["tail"])),
            fields["rows"],
            fields["sampled"],
            fields["pairs"],
            fields["near"],
            fields["cosine"],
            Fit(**fit),
        )
