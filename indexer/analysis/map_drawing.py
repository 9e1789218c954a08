"""A drawn map: as it is kept, and as it is shown of a later state of the collection."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.analysis.tsne import Places
from indexer.documents import Vectors
from indexer.errors import Damaged
from indexer.reports import Cluster, Map, MapState, NeighboursKept, Step

_FORMAT: Final = 1
_DIGEST_BYTES: Final = 32
_ORDER: Final = 2_654_435_761
"""A number's product with this, modulo 2^32, is as good as random (Knuth, 1973, 6.4)."""

Numbers: TypeAlias = NDArray[np.int64]
"""(n,) int64: document numbers, rising, or indices into such an array."""

Clock: TypeAlias = tuple[int, ...]
"""The last writes that a state includes: of two states the later has none less."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """The map of the documents in one state of one collection, and for one model.

    ``instance`` is another for each collection, ``clock`` tells states of it apart. Row i of
    ``places`` and ``clusters`` is of document ``numbers[i]``, ``centroids`` are the directions of
    the clusters. ``basis`` is the number of documents when all were last laid out, ``added`` the
    number placed since; ``fitted`` says which of ``numbers`` were laid out.
    """

    instance: str
    model: str
    clock: Clock
    numbers: Numbers
    places: Places
    clusters: NDArray[np.int16]
    fitted: NDArray[np.bool_]
    centroids: Vectors
    labels: tuple[Cluster, ...]
    kept: NeighboursKept | None
    basis: int
    added: int
    seconds: float

    def is_of(self, instance: str, model: str, clock: Clock) -> bool:
        """Return whether it is of this collection and model, and not of a later state."""
        same = (self.instance, self.model, len(self.clock)) == (instance, model, len(clock))
        return same and all(own <= other for own, other in zip(self.clock, clock, strict=True))

    def encode(self) -> bytes:
        """The drawing as bytes, with a digest of them."""
        clock = self.clock[0] if len(self.clock) == 1 else self.clock
        fields: dict[str, Any] = {
            "format": _FORMAT,
            "instance": self.instance,
            "model": self.model,
            "sequence": clock,
            "labels": [asdict(one) for one in self.labels],
            "kept": self.kept and asdict(self.kept),
            "basis": self.basis,
            "added": self.added,
            "seconds": self.seconds,
        }
        file = io.BytesIO()
        np.savez(
            file,
            fields=np.frombuffer(json.dumps(fields).encode(), dtype=np.uint8),
            numbers=self.numbers,
            places=self.places,
            clusters=self.clusters,
            fitted=self.fitted,
            centroids=self.centroids,
        )
        encoded = file.getvalue()
        return hashlib.sha256(encoded).digest() + encoded

    @classmethod
    def decode(cls, written: bytes) -> Self:
        """The drawing that :meth:`encode` wrote; raises Damaged if it is anything else."""
        digest, encoded = written[:_DIGEST_BYTES], written[_DIGEST_BYTES:]
        if hashlib.sha256(encoded).digest() != digest:
            raise Damaged("it is not what was written")
        try:
            return cls._decoded(encoded)
        except (ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            raise Damaged(str(error)) from error

    @classmethod
    def _decoded(cls, encoded: bytes) -> Self:
        with np.load(io.BytesIO(encoded), allow_pickle=False) as file:
            fields = json.loads(file["fields"].tobytes())
            if fields.pop("format") != _FORMAT:
                raise Damaged("its format is unknown")
            clock = fields.pop("sequence")
            fields["clock"] = tuple(clock) if isinstance(clock, list) else (clock,)
            fields["labels"] = tuple(
                Cluster(**{**one, "words": tuple(one["words"])}) for one in fields["labels"]
            )
            fields["kept"] = fields["kept"] and NeighboursKept(**fields["kept"])
            arrays = ("numbers", "places", "clusters", "fitted", "centroids")
            return cls(**fields, **{name: file[name] for name in arrays})


def version_of(written: bytes) -> str:
    """A version that no other drawing shares, of the bytes of one."""
    return written[:8].hex()


def map_of(
    drawing: Drawing | None,
    version: str,
    late: int,
    ids: Callable[[], Iterable[tuple[int, str]]],
    progress: Callable[[], Step | None],
) -> Map:
    """The map as of a state of which ``late`` documents are not on it; None is not drawn yet.

    ``ids`` gives the number and id of each document of that state.
    """
    if drawing is None:
        state = MapState.BUILDING if late else MapState.READY
        return _nothing(state, version, late, progress() if late else None)
    state = MapState.STALE if late else MapState.READY
    by_number = dict(ids())
    order = np.argsort(drawing.numbers * _ORDER % 2**32, kind="stable")
    numbers = drawing.numbers[order].tolist()
    there = np.fromiter((one in by_number for one in numbers), dtype=np.bool_, count=len(numbers))
    clusters = drawing.clusters[order][there]
    return Map(
        state,
        version,
        [by_number[one] for one in numbers if one in by_number],
        drawing.places[order][there],
        clusters,
        _recounted(drawing.labels, clusters),
        drawing.kept,
        int(np.count_nonzero(drawing.fitted[order][there])),
        late,
        drawing.seconds,
        progress() if late else None,
    )


def _nothing(state: MapState, version: str, late: int, progress: Step | None) -> Map:
    places, clusters = np.zeros((0, 2), np.float32), np.zeros(0, np.int16)
    return Map(state, version, (), places, clusters, (), None, 0, late, 0.0, progress)


def _recounted(labels: tuple[Cluster, ...], clusters: NDArray[np.int16]) -> tuple[Cluster, ...]:
    counts = np.bincount(clusters, minlength=len(labels)).tolist()
    return tuple(
        Cluster(one.words, count, one.x, one.y) for one, count in zip(labels, counts, strict=False)
    )
