"""A linear map of queries' vectors over those of a model, learned from judged queries.

It is applied to the vector of a text that is asked, never to documents, so nothing is embedded
again. How one is fitted is in indexer.learning.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors, normalise
from indexer.errors import Damaged

_FORMAT: Final = 1
_DIGEST_BYTES: Final = 32
_LEAST_LENGTH: Final = 1e-6
"""A vector that the map makes shorter has lost its direction, and stays as it was."""


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """The map x -> x + x·left·right, then scaled to unit length; (d, r) and (r, d) float32.

    ``forced`` says that it serves though the gate refused it.
    """

    name: str
    left: NDArray[np.float32]
    right: NDArray[np.float32]
    forced: bool = False

    def __post_init__(self) -> None:
        shapes = self.left.shape, self.right.shape
        if len(shapes[0]) != 2 or shapes[0] != shapes[1][::-1]:
            raise ValueError(f"two matrices (d, r) and (r, d) make a map; got {shapes}")
        if not (np.isfinite(self.left).all() and np.isfinite(self.right).all()):
            raise ValueError("a map's components are finite")

    @property
    def dimension(self) -> int:
        """The number of components of the vectors it maps."""
        return int(self.left.shape[0])

    @property
    def digest(self) -> str:
        """A text that two maps share only if they are the same."""
        hashed = hashlib.sha256()
        for part in (self.left, self.right):
            hashed.update(np.ascontiguousarray(part, np.float32).tobytes())
        return hashed.hexdigest()[:24]

    @property
    def summary(self) -> dict[str, object]:
        """Its name, rank, and whether it was forced, for reports."""
        return {"name": self.name, "rank": int(self.left.shape[1]), "forced": self.forced}

    def apply(self, vectors: Vectors) -> Vectors:
        """(n, d) unit vectors mapped, of unit length again."""
        mapped = vectors + (vectors @ self.left) @ self.right
        lost = np.linalg.norm(mapped, axis=1) < _LEAST_LENGTH
        return normalise(np.where(lost[:, None], vectors, mapped))


@dataclass(frozen=True, slots=True)
class Serving:
    """The way a collection serves with a model.

    ``present`` is the adapter of its queries, None for none, and ``previous`` the one before.
    ``forced`` says that the model serves though the gate refused it, ``came_from`` is the name of
    the model before it, "" for none.
    """

    present: Adapter | None = None
    previous: Adapter | None = None
    forced: bool = False
    came_from: str = ""

    @property
    def summary(self) -> dict[str, object]:
        """The adapter, and how the model came to serve, for reports; only what there is."""
        told = {
            "adapter": self.present and self.present.summary,
            "forced": self.forced,
            "promoted_over": self.came_from,
        }
        return {name: value for name, value in told.items() if value}

    def replaced(self, adapter: Adapter | None) -> Serving:
        """The same with another adapter in its place."""
        return replace(self, present=adapter, previous=self.present)

    def rolled_back(self) -> Serving:
        """The same with the adapter before; the one taken back is no longer kept."""
        return replace(self, present=self.previous, previous=None)

    def encode(self) -> bytes:
        """All of it as bytes, with a checksum."""
        arrays: dict[str, NDArray[np.generic]] = {}
        record: dict[str, object] = {
            "format": _FORMAT,
            "forced": self.forced,
            "came_from": self.came_from,
        }
        for place, adapter in (("present", self.present), ("previous", self.previous)):
            record[place] = adapter and {"name": adapter.name, "forced": adapter.forced}
            if adapter is not None:
                arrays[f"{place}.left"] = adapter.left.astype(np.float32)
                arrays[f"{place}.right"] = adapter.right.astype(np.float32)
        arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        written = file.getvalue()
        return hashlib.sha256(written).digest() + written

    @classmethod
    def decode(cls, written: bytes) -> Serving:
        """The same from :meth:`encode`'s bytes; raises Damaged."""
        digest, content = written[:_DIGEST_BYTES], written[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise Damaged("it is not what was written")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            record = json.loads(arrays["record"].tobytes())
            if record["format"] != _FORMAT:
                raise Damaged(f"its format is unknown: {record['format']}")
            read = {
                place: Adapter(
                    record[place]["name"],
                    arrays[f"{place}.left"],
                    arrays[f"{place}.right"],
                    record[place]["forced"],
                )
                for place in ("present", "previous")
                if record[place]
            }
        forced, came_from = record["forced"], record["came_from"]
        return cls(read.get("present"), read.get("previous"), forced, came_from)
