"""Cross-encoders score a query and a passage read together; slower than comparing vectors.

The table of their backends, and their graphs and scores. Importing the package imports no model
library. Which hits are reranked, and how the scores are used, is in ``indexer.retrieval``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from indexer.embedding.backends import BackendSpec, ModelRequest, open_model
from indexer.embedding.checkpoint import Checkpoint, find_checkpoint
from indexer.embedding.cross_encoders.reranker import OVERLAP, OverlapReranker, Reranker
from indexer.embedding.embedder import Backend, Precision

HUB_ORGANISATION: Final = "cross-encoder"


def _open_compiled(request: ModelRequest) -> Reranker:
    from indexer.embedding.cross_encoders.engines import open_compiled_pairs

    return open_compiled_pairs(
        request.checkpoint, request.cache, request.precision, request.threads
    )


def _open_torch(request: ModelRequest) -> Reranker:
    from indexer.embedding.cross_encoders.engines import open_torch_pairs

    return open_torch_pairs(request.checkpoint, request.threads)


RERANKERS: Final[Sequence[BackendSpec[Reranker]]] = (
    BackendSpec(lambda _: OverlapReranker(), names=re.compile(OVERLAP)),
    BackendSpec(_open_compiled, Backend.OPENVINO, turn=lambda: 0),
    BackendSpec(_open_torch, Backend.TORCH, turn=lambda: 1),
)
"""The backends that score pairs: a new one is a module beside this one, and a row here."""


def open_reranker(
    model: str,
    *,
    cache: Path,
    backend: Backend = Backend.AUTO,
    precision: Precision = Precision.AUTO,
    threads: int = 0,
) -> Reranker:
    """The cross-encoder of a folder or a hub's name; ``overlap`` is the one without a model.

    Converted models are kept in ``cache``; ``threads`` of 0 means all cores. Precision INT8 is not
    offered: it means AUTO here. Raises ModelError for a model that cannot be loaded or trusted, or
    gives several scores.
    """
    if precision is Precision.INT8:
        precision = Precision.AUTO
    request = ModelRequest(model, cache, precision, threads, find=_find_checkpoint)
    return open_model(RERANKERS, request, backend)


def _find_checkpoint(model: str, cache: Path) -> Checkpoint:
    bare = "/" not in model and not Path(model).is_dir()
    return find_checkpoint(f"{HUB_ORGANISATION}/{model}" if bare else model, cache)
