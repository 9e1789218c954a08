"""Ways to embed: OpenVINO, sentence-transformers, hashing; chosen by name.

Importing the package imports no model library: an engine's file does that when it is opened.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Final

from indexer.embedding.checkpoint import (
    DEFAULT_MODEL,
    HUB_ORGANISATION,
    Checkpoint,
    find_checkpoint,
)
from indexer.embedding.embedder import (
    CANARIES,
    Backend,
    Embedder,
    Embeddings,
    Identity,
    Input,
    Precision,
    Runtime,
    TextRole,
    Tokens,
)
from indexer.embedding.hashing_engine import open_hashing

log = logging.getLogger(__name__)

HASHING: Final = re.compile(r"hashing(?:-(\d{1,6}))?")


def open_embedder(
    model: str,
    *,
    cache: Path,
    backend: Backend = Backend.AUTO,
    precision: Precision = Precision.AUTO,
    threads: int = 0,
) -> Embedder:
    """The embedder of a model: the default's name, a folder, a hub's name, or ``hashing-<d>``.

    ``cache`` is where converted models are kept; ``threads`` of 0 means all cores. Raises
    ModelError for a model that cannot be loaded or trusted, MissingExtra for one whose library
    is not installed.
    """
    hashing = HASHING.fullmatch(model)
    if hashing or backend is Backend.HASHING:
        return open_hashing(int(hashing[1]) if hashing and hashing[1] else 256)
    checkpoint = find_checkpoint(model, cache)
    if backend is Backend.TORCH or (backend is Backend.AUTO and _has_gpu()):
        return _open_torch(checkpoint, precision, threads)
    from indexer.embedding.openvino.conversion import Unconvertible
    from indexer.embedding.openvino.model_cache import open_compiled

    try:
        return open_compiled(checkpoint, cache, precision, threads)
    except Unconvertible as problem:
        if backend is Backend.OPENVINO or precision is Precision.INT8:
            raise
        log.warning("model %s runs on torch, which is slower: %s", model, problem)
    return _open_torch(checkpoint, precision, threads)


def _open_torch(checkpoint: Checkpoint, precision: Precision, threads: int) -> Embedder:
    from indexer.embedding.torch_engine import open_torch

    return open_torch(checkpoint, precision, threads)


def _has_gpu() -> bool:
    """Whether torch can compute on a GPU; torch is not asked where there is no driver."""
    if not Path("/proc/driver/nvidia/version").exists():
        return False
    try:
        import torch
    except ModuleNotFoundError:
        log.warning("torch is not installed: models run on the processor, not on the GPU")
        return False
    return torch.cuda.is_available()


__all__ = [
    "CANARIES",
    "DEFAULT_MODEL",
    "HUB_ORGANISATION",
    "Backend",
    "Embedder",
    "Embeddings",
    "Identity",
    "Input",
    "Precision",
    "Runtime",
    "TextRole",
    "Tokens",
    "open_embedder",
]
