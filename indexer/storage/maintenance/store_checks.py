"""Checks of the store's pages, counters and owners."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from indexer.reports import Finding, Step
from indexer.storage.maintenance.case import MOST_FINDINGS, RESTORE, Case, blocks
from indexer.storage.sqlite.records import NOBODY, Generation, Owners
from indexer.storage.sqlite.schema import STORE
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.vector_file import BLOCK_ROWS


def check_pages(case: Case) -> Iterator[Finding]:
    """Check the file's pages and indexes by SQLite's own means."""
    case.tell(Step("pages of the store", 0, 1))
    with case.store.reading() as snapshot:
        for (line,) in snapshot.select(f"PRAGMA integrity_check({MOST_FINDINGS})"):
            if line != "ok":
                yield Finding(STORE, str(line), "documents may be lost or wrong", RESTORE)
        (page_bytes,) = next(snapshot.select("PRAGMA page_size"))
    case.tell(Step("pages of the store", 1, 1))
    log = case.folder / f"{STORE}-wal"
    logged = log.stat().st_size if log.exists() else 0
    if not logged and (case.folder / STORE).stat().st_size % page_bytes:
        yield Finding(STORE, "it ends within a page: it was cut", "documents are lost", RESTORE)


def check_counts(case: Case) -> Iterator[Finding]:
    """Check the counters against what they count."""
    with case.store.reading() as snapshot:
        counts, generation = snapshot.counts(), snapshot.generation()
        counted = {
            "documents": _count(snapshot, "SELECT count(*) FROM documents"),
            "truncated": _count(snapshot, "SELECT count(*) FROM documents WHERE truncated"),
            "chunks": _count(
                snapshot, "SELECT count(*) FROM chunks WHERE generation = ?", generation.number
            ),
        }
        strays = _count(
            snapshot,
            "SELECT count(*) FROM chunks"
            " WHERE generation NOT IN (SELECT generation FROM generations)",
        )
    for name, count in counted.items():
        if count != getattr(counts, name):
            yield Finding(
                STORE,
                f"it counts {getattr(counts, name)} {name}, but holds {count}",
                "the store was not changed by Bearing alone, or pages of it are lost",
                RESTORE,
            )
    if strays:
        yield Finding(
            STORE, f"{strays} chunks are of no generation", "pages of it are wrong", RESTORE
        )


def _count(snapshot: Snapshot, query: str, *parameters: object) -> int:
    return int(next(snapshot.select(query, parameters))[0])


def check_owners(case: Case) -> Iterator[Finding]:
    """Check the owner of each row against the document of its chunk."""
    with case.store.reading() as snapshot:
        generation = snapshot.generation()
        told = case.steps("rows", generation.rows)
        at = 0
        for number, _, owners in blocks(snapshot, generation):
            if number != at // BLOCK_ROWS or at % BLOCK_ROWS:
                break
            recorded = _recorded_owners(snapshot, generation, at, len(owners))
            wrong = np.flatnonzero(recorded != owners)
            if wrong.size:
                yield Finding(
                    STORE,
                    f"row {at + int(wrong[0])} and {wrong.size - 1} more are of other documents "
                    "by their owners than by their chunks",
                    "searches may find documents that were deleted, or miss some",
                    RESTORE,
                )
            at += len(owners)
            told(at)
        if at != generation.rows:
            yield Finding(
                STORE,
                f"owners are recorded for {at} rows of {generation.rows}",
                "the rows behind them are not found by any search",
                RESTORE,
            )


def _recorded_owners(snapshot: Snapshot, generation: Generation, start: int, rows: int) -> Owners:
    owners = np.full(rows, NOBODY, dtype=np.int32)
    for row, document in snapshot.select(
        "SELECT row, document FROM chunks WHERE generation = ? AND row >= ? AND row < ?",
        (generation.number, start, start + rows),
    ):
        owners[row - start] = document
    return owners
