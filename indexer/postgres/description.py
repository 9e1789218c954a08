"""A summary of a collection in a database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from indexer.ann.recall import K
from indexer.embedding.embedder import Identity
from indexer.index_choice import Language
from indexer.postgres.state import PostgresState
from indexer.reports import Description

_LATE: Final = """
SELECT count(*) FROM @document d JOIN (
    SELECT place - 1 AS slot, write FROM @words, unnest(clock) WITH ORDINALITY AS c(write, place)
) c ON d.slot = c.slot AND d.write > c.write
"""


def describe(
    name: str, language: Language, state: PostgresState, watched: Mapping[str, object]
) -> Description:
    """Counts, sizes as the server tells them, the kind of search, and its ``watched`` recall."""
    chunks, documents, words, facts = (
        size
        for (size,) in state.rows(
            "SELECT pg_total_relation_size(name::regclass)::bigint FROM unnest(%s::text[]) "
            "WITH ORDINALITY AS t(name, place) ORDER BY place",
            [[state.named(one) for one in ("@chunk ", "@document", "@word_array", "@fact")]],
        )
    )
    counts = state.counts
    beside = _beside(state)
    late = late_documents(state)
    return Description(
        name=name,
        model=state.identity.name,
        fingerprint=state.identity.mark,
        dimension=state.identity.dimension,
        documents=counts.documents,
        chunks=counts.chunks,
        bytes=chunks + documents + words + facts,
        truncated=counts.truncated,
        unknown=counts.unknown,
        index={
            **_searched(state, watched),
            "lexical": {
                "language": str(language),
                "documents": counts.documents - late,
                "late_documents": late,
                "bytes": words,
            },
            **beside,
        },
    )


def late_documents(state: PostgresState) -> int:
    """The number of documents that the index of words in the database lacks."""
    ((late,),) = state.rows(_LATE)
    return int(late)


def _searched(state: PostgresState, watched: Mapping[str, object]) -> dict[str, object]:
    """The kind of search for the nearest vectors, and its recall by bands of k."""
    header = state.header
    if not header.sealed:
        return {"kind": "exact", "rows": state.counts.chunks, "recall": 1.0}
    ((late,),) = state.rows("SELECT count(*) FROM @chunk c WHERE number >= %s", [header.sealed])
    first = header.efforts.of(K)
    return {
        "kind": "graph",
        "rows": state.counts.chunks,
        "late_rows": late,
        "recall_k": K,
        "recall": first and first.recall,
        "recall_interval": first and [first.low, first.high],
        "recall_queries": first and first.queries,
        "bands": header.efforts.told(),
        **watched,
    }


def _beside(state: PostgresState) -> dict[str, object]:
    """The vectors of another model, if there are any."""
    drafts = state.rows("SELECT number, identity FROM @generation WHERE NOT live")
    if not drafts:
        return {}
    (number, identity) = drafts[0]
    table = state.named(f"@chunk_{number}")
    ((documents, size),) = state.rows(
        f"SELECT count(DISTINCT document), pg_total_relation_size(%s::regclass) FROM {table}",  # noqa: S608
        [table],
    )
    if not documents:
        return {}
    name = Identity.decode(identity).name
    return {"beside": {"model": name, "documents": documents, "bytes": size}}
