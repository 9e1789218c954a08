"""Bearing's own routes of other tools, asked by Bearing as models at an address."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from app.client import Client
from indexer.embedding.external.engine import open_external
from indexer.embedding.hashing_engine import open_hashing


@pytest.mark.parametrize("form", ["openai+{}/v1#hashing-64", "tei+{}", "ollama+{}#hashing-64"])
def test_bearing_asks_bearing(listen: Callable[..., int], form: str) -> None:
    """The vectors are those of the model that is served."""
    url = f"http://localhost:{listen(model='hashing-64')}"
    _serve_default(url)
    with open_external(form.format(url), "") as embedder:
        found = embedder.embed(["a whale", "the moon"]).vectors
    expected = open_hashing(64).embed(["a whale", "the moon"]).vectors
    np.testing.assert_allclose(found, expected, atol=1e-5)


def _serve_default(url: str) -> None:
    with Client(url) as client:
        client.put([{"id": "a", "text": "x"}])
