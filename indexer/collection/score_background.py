"""The best scores of unrelated queries in a collection, kept beside its vectors.

It is derived, by a search with the vectors of all null queries, and made anew when many chunks
have come since. The first of a small collection is made within the search that needs it; any other
beside the searches, which go on with the last one, or without. It needs the collection's
model: while that is not open, only what is kept is of use. What is kept holds scores, nothing
that was written; where it is damaged or cannot be kept, that is reported, and done without.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

import numpy as np

from indexer.background_task import BackgroundTask
from indexer.collection.adapters import Adapters
from indexer.documents import Vectors
from indexer.embedding.adapter import Adapter
from indexer.embedding.embedder import Identity
from indexer.engine import Engine, EngineState, Kept, KeptBytes
from indexer.errors import BearingError, Damaged, StorageFailed
from indexer.ranking.null_queries import null_queries
from indexer.ranking.significance import Background, Fit, Lengths, Survival, Tail, background_of

AT_ONCE_CHUNKS: Final = 20_000
"""Of so many chunks or fewer it is made while a search waits: some tenths of a second, and once in
a process the embedding of the null, a second or so by a small model."""

LEAST_DOCUMENTS: Final = 50
"""In fewer documents chance decides too much of what is found."""

GROWN: Final = 1.25
"""It is made anew when there are this many times the chunks that it was made for, or fewer."""

RETRY_SECONDS: Final = 1.0
"""While the model is not open, searches look for it no more often."""

NullVectors: TypeAlias = Callable[[Identity], Vectors | None]
"""Gives the vectors of null_queries() by a model, (n, d); None if that model is not open."""

_FORMAT: Final = 2
_DIGEST_BYTES: Final = 32
_ARCHIVE: Final = b"PK"
"""So began what was kept before, of which nothing is of use now."""

_BATCH: Final = 64

_log = logging.getLogger(__name__)


def find_background(state: EngineState, vectors: Vectors) -> Background:
    """The background of a collection, by the vectors of the null queries, (n, d)."""
    scope = state.scope()
    best = [
        own[0].score
        for start in range(0, len(vectors), _BATCH)
        for own in state.nearest(vectors[start : start + _BATCH], 1, scope, exact=False)
    ]
    return background_of(np.array(best, dtype=np.float64), null_queries(), state.counts.chunks)


@dataclass(frozen=True, slots=True)
class _Made:
    """The background of a model's vectors and its queries' adapter; ``chunks`` there were then."""

    identity: Identity | None
    adapter: Adapter | None
    chunks: int
    background: Background | None

    def is_of(self, state: EngineState, adapter: Adapter | None) -> bool:
        return self.identity is state.identity and self.adapter is adapter

    def is_fresh(self, state: EngineState, adapter: Adapter | None) -> bool:
        if not self.is_of(state, adapter):
            return False
        chunks = state.counts.chunks
        return self.chunks <= GROWN * chunks and chunks <= GROWN * self.chunks


class ScoreBackgrounds:
    """The background of a collection as it grows; safe to ask from several threads."""

    def __init__(
        self,
        engine: Engine,
        null_vectors: NullVectors | None,
        at_once: int = AT_ONCE_CHUNKS,
        adapters: Adapters | None = None,
        turns: threading.Lock | None = None,
    ) -> None:
        """With ``turns`` it is made beside searches only in turn with others that share them."""
        self._engine = engine
        self._turns = turns or threading.Lock()
        self._null_vectors = null_vectors
        self._keeper = engine.keeper(Kept.SCORE_BACKGROUND)
        self._at_once = at_once
        self._adapters = adapters or Adapters(engine)
        self._made = _Made(None, None, -1, None)
        self._making = threading.Lock()
        self._next_try = 0.0
        self._task = BackgroundTask("score background", self._make_newest, self._warn)

    def of(self, state: EngineState) -> Background | None:
        """The background of this state, or of one a little before; None if there is none yet."""
        return self.with_adapter(state, self._adapters.of(state.identity))

    def with_adapter(self, state: EngineState, adapter: Adapter | None) -> Background | None:
        """The same, given the adapter of now, for one who knows it."""
        if state.counts.documents < LEAST_DOCUMENTS:
            return None
        made = self._made
        if not made.is_fresh(state, adapter) and time.monotonic() >= self._next_try:
            last = made.background if made.is_of(state, adapter) else None
            if last is None and state.counts.chunks <= self._at_once:
                self.make(state)
            else:
                self._task.start()
            made = self._made
        return made.background if made.is_of(state, adapter) else None

    @property
    def is_made(self) -> bool:
        """Return whether there is one for the present model, which searches need not wait for."""
        return self._made.identity is self._engine.identity

    def make(self, state: EngineState) -> None:
        """Read the background that is kept, or make it and keep it, if another is due."""
        identity = state.identity
        if state.counts.documents < LEAST_DOCUMENTS:
            return
        with self._making:
            adapter = self._adapters.of(identity)
            digest = adapter.digest if adapter else ""
            if not self._made.is_of(state, adapter) and (kept := self._keeper.read(identity)):
                found = _read(self._engine.name, kept, digest)
                self._made = _Made(identity, adapter, found.rows, found) if found else self._made
            if self._made.is_fresh(state, adapter):
                return
            vectors = self._null_vectors(identity) if self._null_vectors else None
            if vectors is None:
                self._next_try = time.monotonic() + RETRY_SECONDS
                return
            asked = adapter.apply(vectors) if adapter else vectors
            made = find_background(state, asked)
            self._keep(identity, made, digest)
            self._made = _Made(identity, adapter, state.counts.chunks, made)

    def close(self) -> None:
        """Wait for one that is being made."""
        self._task.close()

    def _keep(self, identity: Identity, made: Background, adapter: str) -> None:
        try:
            self._keeper.write(identity, encode(made, adapter))
        except StorageFailed as error:  # as in a folder that is only read
            _log.info("the background of scores is not kept (%s): it will be made again", error)

    def _make_newest(self) -> None:
        with self._turns, self._engine.reading() as state:
            self.make(state)

    def _warn(self, error: BearingError) -> None:
        _log.warning("%s: no background of scores was made: %s", self._engine.name, error)


def encode(background: Background, adapter: str = "") -> bytes:
    """A background as it is kept, with the digest of its queries' adapter: a checksum and JSON."""
    fields = asdict(background)
    fields["survival"]["scores"] = background.survival.scores.tolist()
    record = {"format": _FORMAT, "background": fields} | ({"adapter": adapter} if adapter else {})
    encoded = json.dumps(record).encode()
    return hashlib.sha256(encoded).digest() + encoded


def _read(name: str, kept: KeptBytes, adapter: str) -> Background | None:
    """The background that is kept for an adapter.

    None if it is of another, or of an earlier kind, or, reported, damaged.
    """
    if kept.content[_DIGEST_BYTES:].startswith(_ARCHIVE):
        return None
    try:
        return decode(kept.content, adapter)
    except (ValueError, TypeError, KeyError, Damaged) as error:
        _log.warning("the background of scores of %r is damaged (%s): it is made anew", name, error)
        return None


def decode(written: bytes, adapter: str = "") -> Background | None:
    """The background that :func:`encode` wrote, None if it is of another adapter.

    Raises Damaged, or what json raises.
    """
    digest, encoded = written[:_DIGEST_BYTES], written[_DIGEST_BYTES:]
    if hashlib.sha256(encoded).digest() != digest:
        raise Damaged("it is not what was written")
    record = json.loads(encoded)
    if record["format"] != _FORMAT:
        raise Damaged(f"format {record['format']}, not {_FORMAT}")
    if record.get("adapter", "") != adapter:
        return None
    fields = record["background"]
    survival, fit = fields["survival"], fields["fit"]
    return Background(
        Lengths(**fields["lengths"]),
        Survival(np.array(survival["scores"]), survival["threshold"], Tail(**survival["tail"])),
        fields["typical"],
        tuple(fields["left_out"]),
        fields["rows"],
        Fit(**{**fit, **{name: tuple(fit[name]) for name in ("expected", "observed")}}),
    )
