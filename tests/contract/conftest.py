"""Every engine, empty: its catalogue, a collection, and a way to make others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from samples import make_identity, make_null_vectors

from indexer.collection import Collection
from indexer.embedding.embedder import Identity
from indexer.engine import Catalogue
from indexer.engines import open_catalogue
from indexer.index_choice import Language

# Haystack reads it when it is imported, which is later, and tells of each pipeline otherwise.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "false"

MakeCollection = Callable[..., Collection]

URLS: Final[Mapping[str, Callable[[Path], str]]] = {
    "local": lambda folder: str(folder / "data"),
    "memory": lambda _: "memory:",
}
"""Where each engine is to keep collections, given an empty folder."""


@pytest.fixture(params=list(URLS))
def engine(request: pytest.FixtureRequest) -> str:
    """The name of each engine."""
    return str(request.param)


@pytest.fixture
def url(engine: str, tmp_path: Path) -> str:
    """Where an engine is to keep collections."""
    return URLS[engine](tmp_path)


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    """An empty catalogue of each engine."""
    catalogue = open_catalogue(url)
    yield catalogue
    catalogue.close()


@pytest.fixture
def make(catalogue: Catalogue) -> Iterator[MakeCollection]:
    """Makes collections, closed at the end: of a name, a model and a language."""
    with ExitStack() as opened:

        def make_one(
            name: str = "things",
            identity: Identity | None = None,
            language: Language = Language.ENGLISH,
        ) -> Collection:
            catalogue.create(name, identity or make_identity(), language)
            return opened.enter_context(Collection(catalogue.open(name), make_null_vectors))

        yield make_one


@pytest.fixture
def collection(make: MakeCollection) -> Collection:
    """An empty collection of each engine."""
    return make()
