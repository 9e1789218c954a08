"""Collections in a folder of this machine, for tests of what is special to those."""

from __future__ import annotations

from pathlib import Path

from samples import make_null_vectors

from indexer.collection import Collection
from indexer.embedding.embedder import Identity
from indexer.index_choice import IndexChoice, Language
from indexer.storage.engine import LocalEngine
from indexer.thresholds import DEFAULT, Thresholds


def create_local(
    folder: Path,
    identity: Identity,
    language: Language = Language.ENGLISH,
    thresholds: Thresholds = DEFAULT,
) -> Collection:
    """A new, empty collection in a folder, open."""
    engine = LocalEngine.create(folder, identity, language, thresholds)
    return Collection(engine, make_null_vectors)


def open_local(
    folder: Path, choice: IndexChoice | None = None, thresholds: Thresholds = DEFAULT
) -> Collection:
    """The collection in a folder."""
    return Collection(LocalEngine(folder, choice, thresholds), make_null_vectors)


def engine_of(collection: Collection) -> LocalEngine:
    """What keeps it."""
    engine = collection._engine
    assert isinstance(engine, LocalEngine)
    return engine
