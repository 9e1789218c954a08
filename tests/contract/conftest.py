"""Every engine, empty: its catalogue, a collection, and a way to make others."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from postgres import postgres
from samples import make_identity, make_null_vectors

from indexer.collection import Collection
from indexer.embedding.embedder import Identity
from indexer.engine import Catalogue
from indexer.engines import open_catalogue
from indexer.index_choice import Language

# Haystack reads it when it is imported, which is later, and tells of each pipeline otherwise.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "false"

MakeCollection = Callable[..., Collection]

PATIENTLY: Final = "?deadline_seconds=120"
"""The tests' server may have to wait for the tests of another process."""

URLS: Final[Mapping[str, Callable[[pytest.FixtureRequest], str]]] = {
    "local": lambda request: str(request.getfixturevalue("tmp_path") / "data"),
    "memory": lambda _: "memory:",
    "postgresql": lambda request: f"{request.getfixturevalue('empty_database')}{PATIENTLY}",
}
"""Where each engine is to keep collections."""


@pytest.fixture(params=list(URLS))
def engine(request: pytest.FixtureRequest) -> str:
    """The name of each engine."""
    return str(request.param)


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """The URL of a database of the tests' own server, one for the session."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given
        return
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    with postgres(Path(tempfile.mkdtemp(prefix="bearing-postgres-"))) as url:
        yield url


@pytest.fixture
def empty_database(database: str) -> str:
    """A database without collections."""
    catalogue = open_catalogue(database)
    for alias in catalogue.aliases():
        catalogue.unpoint(alias)
    for name in catalogue.names():
        catalogue.delete(name)
    catalogue.close()
    return database


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest) -> str:
    """Where an engine is to keep collections."""
    return URLS[engine](request)


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    """An empty catalogue of each engine."""
    catalogue = open_catalogue(url)
    yield catalogue
    catalogue.close()


@pytest.fixture
def background() -> None:
    """Mark a test whose collections learn how near unrelated queries come: 600 searches each."""


@pytest.fixture
def make(catalogue: Catalogue, request: pytest.FixtureRequest) -> Iterator[MakeCollection]:
    """Makes collections, closed at the end: of a name, a model and a language."""
    null_vectors = make_null_vectors if "background" in request.fixturenames else None
    with ExitStack() as opened:

        def make_one(
            name: str = "things",
            identity: Identity | None = None,
            language: Language = Language.ENGLISH,
        ) -> Collection:
            catalogue.create(name, identity or make_identity(), language)
            return opened.enter_context(Collection(catalogue.open(name), null_vectors))

        yield make_one


@pytest.fixture
def collection(make: MakeCollection) -> Collection:
    """An empty collection of each engine."""
    return make()
