"""Sealed indexes on disk: derived from the vector file, checked by hash, swapped by rename.

A generation's folder holds at most one: ``sealed.json`` names its file and kind, its search
parameters, and its measured recall. The file is written and made durable before the description
that names it, so a crash leaves the old one, or none; rows are then compared one by one, which is
slower and never wrong.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from indexer.ann.approximate import Layer
from indexer.ann.efforts import FIRST, Band, Efforts, draw_samples, tune_efforts
from indexer.ann.faiss_index import Allowed, AnnIndex
from indexer.ann.kinds import INDEX_KINDS, SearchParams
from indexer.ann.recall import K, Measured, Recall, batched_ms
from indexer.documents import Vectors
from indexer.errors import Damaged, StorageFailed
from indexer.index_choice import IndexKind
from indexer.storage.runtime.durable_files import Stamp, file_stamp, write_durably
from indexer.thresholds import DEFAULT, Thresholds

DESCRIPTION: Final = "sealed.json"
FORMAT: Final = 1
FAST_MS: Final = 1.2
"""With an index that answers within this time, no further kind is tried."""

FEW_ROWS: Final = 100_000
"""Nor with this many rows or fewer, over which no kind is much faster than another: on busy cores
even the fastest takes longer than FAST_MS, and trying another doubles what building takes.
"""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An index over the first rows of a generation, with its search parameters."""

    index: AnnIndex
    efforts: Efforts
    target: float
    trained_rows: int
    bytes: int
    build_seconds: float
    file: str
    sha256: str

    @property
    def measured(self) -> Measured:
        """The figures measured for the least k, without a filter."""
        return self.efforts.first

    def layer(self, k: int, *, filtered: bool) -> Layer:
        """The index, to be searched for k rows."""
        return self.efforts.layer(self.index, k, filtered=filtered)

    def describe(self) -> dict[str, object]:
        """The properties of the index for users; those that depend on k in ``bands``, too."""
        return {
            "kind": str(self.index.kind),
            "rows": self.index.rows,
            "target_recall": self.target,
            "recall": self.measured.recall.mean,
            "recall_interval": [self.measured.recall.low, self.measured.recall.high],
            "recall_k": self.measured.recall.k,
            "recall_queries": self.measured.recall.queries,
            "probes": self.measured.params.nprobe,
            "rescored": self.measured.params.rescore,
            "query_ms": self.measured.query_ms,
            "bands": self.efforts.describe(),
            "bytes": self.bytes,
            "build_seconds": self.build_seconds,
        }


@dataclass(frozen=True, slots=True)
class _Record:
    """The description on disk, with a checksum of its own, since it has the search parameters.

    Those for other bands than the first are in ``bands``: earlier versions had none.
    """

    format: int
    kind: str
    file: str
    sha256: str
    rows: int
    target: float
    trained_rows: int
    effort: dict[str, int]
    recall: dict[str, float]
    query_ms: float
    bytes: int
    build_seconds: float
    bands: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, sealed: Sealed) -> Self:
        return cls(
            FORMAT,
            str(sealed.index.kind),
            sealed.file,
            sealed.sha256,
            sealed.index.rows,
            sealed.target,
            sealed.trained_rows,
            {"probes": sealed.measured.params.nprobe, "depth": sealed.measured.params.rescore},
            asdict(sealed.measured.recall),
            sealed.measured.query_ms,
            sealed.bytes,
            sealed.build_seconds,
            [
                {**band._asdict(), **asdict(one)}
                for band, one in sealed.efforts.measured.items()
                if band != FIRST
            ],
        )

    @property
    def efforts(self) -> Efforts:
        """The effort with which the index is to be searched."""
        params = SearchParams(self.effort["probes"], self.effort["depth"])
        recall = Recall(**self.recall)  # type: ignore[arg-type]
        first = Measured(params, recall, self.query_ms)
        return Efforts({FIRST: first, **dict(map(_measured, self.bands))})

    @classmethod
    def decode(cls, encoded: str) -> Self:
        """The record from :meth:`encode`; raises Damaged, ValueError or TypeError for all else."""
        fields = dict(json.loads(encoded))
        if fields.get("format") != FORMAT:
            raise Damaged(f"format {fields.get('format')}, not {FORMAT}")
        digest = fields.pop("digest", None)
        if _digest(fields) != digest:
            raise Damaged(f"{DESCRIPTION} is not what was written")
        return cls(**fields)

    def encode(self) -> str:
        """The record as JSON, with the SHA-256 of the other fields as the last."""
        fields = asdict(self)
        return json.dumps({**fields, "digest": _digest(fields)}, indent=1)


def _measured(record: dict[str, Any]) -> tuple[Band, Measured]:
    """A band, and what was measured in it."""
    return Band(record["k"], record["filtered"]), Measured(
        SearchParams(**record["params"]), Recall(**record["recall"]), record["query_ms"]
    )


def _digest(fields: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def build(
    kinds: tuple[IndexKind, ...],
    vectors: Vectors,
    allowed: Allowed | None,
    target: float,
    thresholds: Thresholds = DEFAULT,
) -> Sealed:
    """The fastest index that reaches the target, of these kinds; the one nearest to it if none.

    ``vectors`` are all rows, (n, d); ``allowed`` are the rows that answers may contain. Kinds are
    tried in order, up to the first that answers within about a millisecond; one that stands in for
    another (``instead_of``) is tried only if that other missed the target, and a further one of few
    rows only if all have. Fast is what takes least for a query alone and one of many together.
    """
    samples = draw_samples(vectors, allowed)
    built: list[Sealed] = []
    reached: set[IndexKind] = set()
    for kind in kinds:
        if INDEX_KINDS[kind].instead_of in reached:
            continue
        start = time.monotonic()
        index = AnnIndex.build(kind, vectors)
        efforts = tune_efforts(index, vectors, samples, target, thresholds)
        built.append(_sealed(index, efforts, target, index.rows, time.monotonic() - start))
        if efforts.first.recall.low >= target:
            reached.add(kind)
            if efforts.first.query_ms <= FAST_MS or len(vectors) <= FEW_ROWS:
                break
    if len(built) == 1:
        return built[0]
    layers = [one.layer(K, filtered=False) for one in built]
    return fastest(built, [batched_ms(one, vectors, samples[FIRST]) for one in layers], target)


def fastest(built: Sequence[Sealed], together: Sequence[float], target: float) -> Sealed:
    """The index that takes least time of those that reach a target; the one nearest to it if none.

    ``together`` are the milliseconds that each takes for one of many queries.
    """
    taken = [one.measured.query_ms + ms for one, ms in zip(built, together, strict=True)]
    reach = [min(one.measured.recall.low, target) for one in built]
    return built[max(range(len(built)), key=lambda place: (reach[place], -taken[place]))]


def extend(
    old: Sealed, vectors: Vectors, allowed: Allowed | None, thresholds: Thresholds = DEFAULT
) -> Sealed:
    """The index extended by later rows, measured again; the old one is unchanged."""
    start = time.monotonic()
    index = old.index.extended(vectors[old.index.rows :])
    samples = draw_samples(vectors, allowed)
    efforts = tune_efforts(index, vectors, samples, old.target, thresholds)
    return _sealed(index, efforts, old.target, old.trained_rows, time.monotonic() - start)


def _sealed(
    index: AnnIndex, efforts: Efforts, target: float, trained_rows: int, seconds: float
) -> Sealed:
    encoded = index.encode()
    return Sealed(
        index,
        efforts,
        target,
        trained_rows,
        len(encoded),
        seconds,
        f"sealed-{index.rows}-{uuid.uuid4().hex[:12]}.faiss",
        hashlib.sha256(encoded.data).hexdigest(),
    )


def searched_harder(sealed: Sealed, band: Band = FIRST) -> Sealed | None:
    """The same index with the next slower search parameters in a band; None after the last."""
    efforts = sealed.efforts.harder(sealed.index.kind, band)
    return None if efforts is None else replace(sealed, efforts=efforts)


def sealed_rows(folder: Path) -> int:
    """The number of rows that the index on disk says it covers; 0 if there is none to rely on."""
    try:
        return _Record.decode((folder / DESCRIPTION).read_text(encoding="utf-8")).rows
    except (OSError, ValueError, TypeError, Damaged):
        return 0


def write(folder: Path, sealed: Sealed) -> None:
    """Replace the sealed index on disk, durably."""
    try:
        write_durably(folder / sealed.file, memoryview(sealed.index.encode().data))
        write_durably(folder / DESCRIPTION, _Record.of(sealed).encode().encode())
        for other in (*folder.glob("sealed-*.faiss"), *folder.glob(".sealed*.draft")):
            if other.name != sealed.file:  # drafts are of dead processes: one seals at a time
                other.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFailed(f"cannot write {folder / sealed.file}: {error.strerror}") from error


def read(folder: Path, report: Callable[[str], None]) -> Sealed | None:
    """The sealed index of a folder; None if there is none.

    A damaged one is reported and ignored: it is derived, and will be built again.
    """
    if not (folder / DESCRIPTION).exists():
        return None
    try:
        return _read(folder)
    except (OSError, ValueError, TypeError, Damaged) as error:
        report(f"the sealed index in {folder} is damaged ({error}); rows are scanned until rebuilt")
        return None


def _read(folder: Path) -> Sealed:
    record = _Record.decode((folder / DESCRIPTION).read_text())
    encoded = np.fromfile(folder / Path(record.file).name, dtype=np.uint8)
    if hashlib.sha256(encoded.data).hexdigest() != record.sha256:
        raise Damaged(f"{record.file} is not what was written")
    return Sealed(
        AnnIndex.decode(IndexKind(record.kind), encoded, record.file),
        record.efforts,
        record.target,
        record.trained_rows,
        record.bytes,
        record.build_seconds,
        record.file,
        record.sha256,
    )


def remove(folder: Path) -> None:
    """Remove the sealed index; the description goes first, so that no crash leaves half of it."""
    for path in (folder / DESCRIPTION, *folder.glob("sealed-*.faiss")):
        path.unlink(missing_ok=True)


def stamp(folder: Path) -> Stamp | None:
    """The stamp of a folder's sealed index; None if there is none."""
    return file_stamp(f"{folder}/{DESCRIPTION}")
