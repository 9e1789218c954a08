"""A model for collections that choose how their documents are cut."""

from __future__ import annotations

from dataclasses import replace

from indexer.embedding.borrowed import BorrowedEmbedder
from indexer.embedding.embedder import Embedder, Identity
from indexer.index_choice import Chunking


class CuttingEmbedder(BorrowedEmbedder):
    """A model whose identity has a chunking beside it.

    What it embeds is the model's; who cuts documents for it looks at the identity.
    """

    def __init__(self, embedder: Embedder, chunking: Chunking) -> None:
        super().__init__(embedder)
        self._identity = replace(embedder.identity, chunking=chunking)

    @property
    def identity(self) -> Identity:
        """The model's identity, with the chunking."""
        return self._identity
