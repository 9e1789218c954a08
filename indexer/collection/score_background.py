"""The scores of unrelated texts in a collection, kept beside its vectors by its engine.

It is derived from a sample of the chunks, and computed again when many have been added. While a
collection is small this happens within the first search that needs it; later beside the searches,
which use the last one, or none. The kept item holds moments and quantiles, no texts; if it is
damaged or cannot be kept, the log says so, and searches go on without it.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import threading
import zipfile
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from indexer.background_task import BackgroundTask
from indexer.embedding.embedder import Identity
from indexer.engine import Engine, EngineState, Kept, KeptBytes
from indexer.errors import BearingError, Damaged, StorageFailed
from indexer.ranking.significance import Background, Fit, Survival, Tail, background_of

SAMPLE_CHUNKS: Final = 8_192
AT_ONCE_CHUNKS: Final = 20_000
"""Up to this many chunks it is computed while a search waits, in some tenths of a second."""

GROWN: Final = 1.25
"""It is computed again when the chunks have grown, or shrunk, by this factor."""

_FORMAT: Final = 1
_SEED: Final = 5
_DIGEST_BYTES: Final = 32

_log = logging.getLogger(__name__)


def sample_background(state: EngineState) -> Background | None:
    """The background of a collection; None for a small one."""
    drawn = state.sample(SAMPLE_CHUNKS, _SEED)
    return background_of(drawn.vectors, drawn.keys.astype(np.int64), state.counts.chunks)


@dataclass(frozen=True, slots=True)
class _Made:
    """The background of a model's vectors, with the number of ``chunks`` at that time."""

    identity: Identity | None
    chunks: int
    background: Background | None

    def is_fresh(self, state: EngineState) -> bool:
        if self.identity is not state.identity:
            return False
        chunks = state.counts.chunks
        if self.background is None:
            return chunks <= self.chunks
        return self.chunks <= GROWN * chunks and chunks <= GROWN * self.chunks


class ScoreBackgrounds:
    """The background of a collection as it grows; thread-safe."""

    def __init__(self, engine: Engine, at_once: int = AT_ONCE_CHUNKS) -> None:
        self._engine = engine
        self._keeper = engine.keeper(Kept.SCORE_BACKGROUND)
        self._at_once = at_once
        self._made = _Made(None, -1, None)
        self._making = threading.Lock()
        self._task = BackgroundTask("score background", self._make_newest, self._warn)

    def of(self, state: EngineState) -> Background | None:
        """The background of this state, or the last one during renewal; None if none is ready."""
        made = self._made
        if not made.is_fresh(state):
            if state.counts.chunks <= self._at_once:
                self.make(state)
            else:
                self._task.start()
            made = self._made
        return made.background if made.identity is state.identity else None

    def make(self, state: EngineState) -> None:
        """Read the kept background, or compute and keep one, if that is due."""
        identity = state.identity
        with self._making:
            if self._made.identity is not identity and (kept := self._keeper.read(identity)):
                found = _read(self._engine.name, kept)
                self._made = _Made(identity, found.rows, found) if found else self._made
            if self._made.is_fresh(state):
                return
            made = sample_background(state)
            if made is not None:
                self._keep(identity, made)
            self._made = _Made(identity, state.counts.chunks, made)

    def close(self) -> None:
        """Wait for one that is being computed."""
        self._task.close()

    def _keep(self, identity: Identity, made: Background) -> None:
        try:
            self._keeper.write(identity, encode(made))
        except StorageFailed as error:  # as in a read-only folder
            _log.info("the background of scores is not kept (%s): it will be made again", error)

    def _make_newest(self) -> None:
        with self._engine.reading() as state:
            self.make(state)

    def _warn(self, error: BearingError) -> None:
        _log.warning("%s: no background of scores was made: %s", self._engine.name, error)


def encode(background: Background) -> bytes:
    """A background in its stored form: a checksum and NumPy's archive."""
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
    return hashlib.sha256(encoded).digest() + encoded


def _read(name: str, kept: KeptBytes) -> Background | None:
    """The kept background; None, with a warning, if it is damaged."""
    try:
        return decode(kept.content)
    except (ValueError, TypeError, KeyError, zipfile.BadZipFile, Damaged) as error:
        _log.warning("the background of scores of %r is damaged (%s): it is made anew", name, error)
        return None


def decode(written: bytes) -> Background:
    """The background written by :func:`encode`; raises Damaged, or an error of NumPy or json."""
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
