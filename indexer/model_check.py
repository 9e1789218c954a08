"""The check, by any engine, that a model still gives the vectors that a collection keeps."""

from __future__ import annotations

import numpy as np

from indexer.embedding.embedder import CANARIES, CANARY_COSINE, Identity
from indexer.engine import Embedders
from indexer.errors import BearingError, ModelMismatch
from indexer.reports import Finding, Step, Tell


def check_model(
    identity: Identity, embedders: Embedders | None, tell: Tell
) -> tuple[str, list[Finding]]:
    """The outcome in words, and its findings; without ``embedders`` nothing is checked."""
    if embedders is None:
        return "not checked", []
    tell(Step("model", 0, 1))
    try:
        embedder = embedders(identity.name)
    except BearingError as error:
        return f"not checked: {error}", []
    try:
        identity.require(embedder.identity)
    except ModelMismatch as error:
        return "another", [_wrong_model(str(error))]
    cosines = np.einsum("ij,ij->i", identity.canaries, embedder.embed(CANARIES).vectors)
    tell(Step("model", 1, 1))
    if not float(cosines.min()) >= CANARY_COSINE:
        problem = f"it gives other vectors of known texts than before (cosine {cosines.min():.5f})"
        return "another", [_wrong_model(problem)]
    return f"{identity.name} gives the vectors it gave", []


def _wrong_model(problem: str) -> Finding:
    return Finding(
        "model",
        problem,
        "queries are embedded unlike the documents, so scores mean nothing",
        "put back the model's files or its backend, or move the collection with `bearing reindex`",
    )
