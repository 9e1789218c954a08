"""Embedders for tests that watch what is asked of a model."""

from __future__ import annotations

from indexer.embedding.embedder import Embedder


class Unused:
    """An embedder that tokenises as another does, and embeds nothing."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        assert name not in ("embed", "embed_images"), "a text was embedded"
        return getattr(self._inner, name)
