"""Cross-encoders: how well a passage answers a query, read together; slower than comparing vectors.

Importing this module imports no model library.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from indexer.embedding.checkpoint import find_checkpoint
from indexer.embedding.cross_encoders.reranker import OVERLAP, OverlapReranker, Reranker
from indexer.embedding.embedder import Backend, Precision

log = logging.getLogger(__name__)
HUB_ORGANISATION: Final = "cross-encoder"


def open_reranker(
    model: str,
    *,
    cache: Path,
    backend: Backend = Backend.AUTO,
    precision: Precision = Precision.AUTO,
    threads: int = 0,
) -> Reranker:
    """The cross-encoder of a folder or a hub's name; ``overlap`` is the one without a model.

    ``cache`` is where converted models are kept; ``threads`` of 0 means all cores. Precision INT8
    is not offered: it means AUTO here. Raises ModelError for a model that cannot be loaded or
    trusted, or gives several scores.
    """
    if model == OVERLAP:
        return OverlapReranker()
    bare = "/" not in model and not Path(model).is_dir()
    checkpoint = find_checkpoint(f"{HUB_ORGANISATION}/{model}" if bare else model, cache)
    if precision is Precision.INT8:
        precision = Precision.AUTO
    from indexer.embedding.cross_encoders.engines import open_compiled_pairs, open_torch_pairs

    if backend is not Backend.TORCH:
        from indexer.embedding.openvino.conversion import Unconvertible

        try:
            return open_compiled_pairs(checkpoint, cache, precision, threads)
        except Unconvertible as problem:
            if backend is Backend.OPENVINO:
                raise
            log.warning("reranker %s runs on torch, which is slower: %s", model, problem)
    return open_torch_pairs(checkpoint, threads)
