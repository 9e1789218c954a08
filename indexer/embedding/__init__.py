"""Ways to embed: OpenVINO, sentence-transformers, hashing; chosen by name.

Importing the package imports no model library: an engine's file does that when it is opened.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from indexer.embedding.checkpoint import DEFAULT_MODEL, find_checkpoint
from indexer.embedding.embedder import (
    CANARIES,
    Backend,
    Embedder,
    Embeddings,
    Identity,
    Input,
    Precision,
    Role,
    Runtime,
    Tokens,
)
from indexer.embedding.hashing import open_hashing

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
    if backend is Backend.TORCH:
        from indexer.embedding.pytorch import open_torch

        return open_torch(checkpoint, precision, threads)
    from indexer.embedding.pytorch import open_torch

    return open_torch(checkpoint, precision, threads)


__all__ = [
    "CANARIES",
    "DEFAULT_MODEL",
    "Backend",
    "Embedder",
    "Embeddings",
    "Identity",
    "Input",
    "Precision",
    "Role",
    "Runtime",
    "Tokens",
    "open_embedder",
]
