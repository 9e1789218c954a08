"""The verification of everything a collection keeps: the store, the vectors, the index, the model.

A check reads, and never repairs: a finding says what it means and what to do. Each check works on
one state of the store, so writing goes on meanwhile; memory stays bounded except for 12 bytes a
document and 4 a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors
from indexer.engine import Embedders
from indexer.errors import BearingError, Damaged, NotFound, StorageFailed
from indexer.model_check import check_model
from indexer.reports import Finding, Step, Tell, Verification
from indexer.storage.ann import index_file
from indexer.storage.generation.row_table import VECTORS, generation_folder
from indexer.storage.lexical.examination import examine
from indexer.storage.lexical.index_sync import FOLDER
from indexer.storage.lexical.state import STATE
from indexer.storage.maintenance.case import MOST_FINDINGS, RESTORE, Case
from indexer.storage.maintenance.document_checks import check_documents
from indexer.storage.maintenance.picture_checks import check_pictures
from indexer.storage.maintenance.store_checks import check_counts, check_owners, check_pages
from indexer.storage.maintenance.vector_checks import check_vectors
from indexer.storage.sqlite.records import NOBODY
from indexer.storage.sqlite.schema import STORE
from indexer.storage.sqlite.store import Store
from indexer.storage.vector_file import VectorFile

SAMPLE_QUERIES: Final = 256
LEAST_FOUND: Final = 0.9
_CLOSE: Final = 1e-4
_CHECKS: Final = (
    *(check_pages, check_counts, check_owners, check_documents, check_pictures, check_vectors),
)


def verify(folder: Path, embedders: Embedders | None, tell: Tell) -> Verification:
    """Check the collection in a folder, even if it cannot be opened.

    Without ``embedders`` the model is not checked. Raises NotFound if there is no collection.
    """
    if not (folder / STORE).is_file():
        raise NotFound(f"there is no collection in {folder}")
    nothing = Verification(folder.name, 0, 0, 0, "not checked", "not checked", ())
    try:
        store = Store(folder / STORE)
    except (Damaged, StorageFailed) as error:
        return replace(nothing, findings=(_unreadable(error),))
    try:
        return _verify(Case(folder, store, tell), embedders, nothing)
    finally:
        store.close()


def _verify(case: Case, embedders: Embedders | None, nothing: Verification) -> Verification:
    findings: list[Finding] = []
    for check in _CHECKS:
        findings += _found(check, case)
    index, wrong = _check_index(case)
    findings += wrong
    model, wrong = _check_model(case, embedders)
    findings += wrong
    words, wrong = _check_words(case)
    findings += wrong
    told = replace(
        nothing, index=index, model=model, words=words, findings=tuple(dict.fromkeys(findings))
    )
    try:
        with case.store.reading() as snapshot:
            counts, rows = snapshot.counts(), snapshot.generation().rows
    except (Damaged, StorageFailed):
        return told
    return replace(told, documents=counts.documents, chunks=counts.chunks, vectors=rows)


def _found(check: Callable[[Case], Iterator[Finding]], case: Case) -> list[Finding]:
    """The findings of a check, up to a bound; an error that stops it is a finding too."""
    findings: list[Finding] = []
    try:
        for finding in islice(check(case), MOST_FINDINGS):
            findings.append(finding)  # noqa: PERF402 - those before an error count
    except (Damaged, StorageFailed) as error:
        findings.append(_unreadable(error))
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        findings.append(
            Finding(
                STORE,
                f"it holds values of a kind that is never written ({error})",
                "answers may be wrong or fail",
                RESTORE,
            )
        )
    return findings


def _unreadable(error: BearingError) -> Finding:
    return Finding(STORE, str(error), "what it holds cannot be read in full", RESTORE)


# The store


# The vectors


# The index


def _check_index(case: Case) -> tuple[str, list[Finding]]:
    """Check the sealed index: its hash, and whether it finds stored vectors."""
    problems: list[str] = []
    try:
        with case.store.reading() as snapshot:
            generation = snapshot.generation()
            dimension = snapshot.identity(generation.number).dimension
            owners = snapshot.owners(generation.number, generation.rows)
        folder = generation_folder(case.folder, generation.number)
        index = index_file.read(folder, problems.append)
        if index is None:
            return ("damaged" if problems else "none"), [_wrong_index(p) for p in problems]
        vectors = VectorFile(folder / VECTORS, dimension).view(generation.rows)
    except (Damaged, StorageFailed, ValueError, TypeError, LookupError) as error:
        return f"not checked: {error}", []  # a fault of the store or the vectors, reported there
    live = np.flatnonzero(owners[: index.index.rows] != NOBODY)
    share = _share_found(index, vectors, live)
    if share < LEAST_FOUND:
        problem = f"it finds {share:.0%} of vectors that are stored when asked for them"
        return "damaged", [_wrong_index(problem)]
    return f"{index.index.kind} over {index.index.rows} rows", []


def _share_found(index: index_file.Sealed, vectors: Vectors, live: NDArray[np.intp]) -> float:
    """The share of stored vectors for which the index proposes the same or one as close."""
    drawn = np.sort(np.random.default_rng(0).permutation(live)[:SAMPLE_QUERIES])
    if not drawn.size:
        return 1.0
    asked = np.array(vectors[drawn])
    params = index.measured.params
    _, proposed = index.index.candidates(asked, max(params.rescore, 10), params.nprobe)
    found = 0
    for query, rows in zip(asked, proposed, strict=True):
        rows = rows[(rows >= 0) & (rows < len(vectors))]
        found += bool((vectors[rows] @ query >= 1 - _CLOSE).any())
    return found / len(drawn)


def _check_words(case: Case) -> tuple[str, list[Finding]]:
    """Check the lexical index: its checksums, its count, and whether it finds documents."""
    case.tell(Step("words", 0, 1))
    try:
        told, problems = examine(case.folder, case.store)
    except (Damaged, StorageFailed) as error:
        return f"not checked: {error}", []  # a fault of the store, reported there
    case.tell(Step("words", 1, 1))
    return told, [_wrong_words(problem) for problem in problems]


def _wrong_words(problem: str) -> Finding:
    return Finding(
        f"{FOLDER}/{STATE}",
        problem,
        "searches for words may miss documents; nothing is lost, the index is derived",
        "rebuild it: `bearing rebuild`",
    )


def _wrong_index(problem: str) -> Finding:
    return Finding(
        index_file.DESCRIPTION,
        problem,
        "searches compare rows one by one or miss some; nothing is lost, the index is derived",
        "it is rebuilt automatically when the collection is next written to or served, "
        "and at once by `bearing rebuild`",
    )


# The model


def _check_model(case: Case, embedders: Embedders | None) -> tuple[str, list[Finding]]:
    """Check that the model still gives the stored vectors for known texts."""
    if embedders is None:
        return "not checked", []
    try:
        with case.store.reading() as snapshot:
            identity = snapshot.identity(snapshot.generation().number)
    except BearingError as error:
        return f"not checked: {error}", []
    return check_model(identity, embedders, case.tell)
