"""A folder kept in step is, whatever happened to it and to us, what indexing it anew makes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from local import create_local
from tries import tries

from indexer.collection import Collection
from indexer.documents import Document
from indexer.embedding.embedder import Embedder
from indexer.embedding.hashing_engine import open_hashing
from indexer.engine import Engine
from indexer.engines import open_catalogue
from indexer.index_choice import Language
from indexer.ingestion.pipeline import ingest
from indexer.ingestion.sync import Source, Sync
from indexer.queries import Query
from indexer.readers.paths import read_paths

NAMES = ["a.txt", "b.txt", "sub/a.txt", "sub/deep/c.txt", "r.jsonl", "s.jsonl", "sub/r.jsonl"]
WORDS = ["moon", "sun", "tide", "comet"]
DURABLE = {"put", "amend", "delete"}
NOTED = {"begin", "note", "forget"}

records = st.lists(
    st.tuples(st.sampled_from("123"), st.sampled_from(WORDS), st.integers(0, 1)), max_size=3
)
changes = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), records),
    st.tuples(st.just("delete"), st.sampled_from(NAMES)),
    st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.tuples(st.just("touch"), st.sampled_from(NAMES)),
    st.tuples(st.just("move folder"), st.sampled_from(["sub", "sub/deep"])),
    st.tuples(st.just("delete stored"), st.integers(0, 9)),
)
runs = st.lists(
    st.tuples(st.lists(changes, min_size=1, max_size=4), st.none() | st.integers(0, 6)),
    min_size=1,
    max_size=6,
)


class Killed(BaseException):
    """The end of the process."""


class Mortal:
    """An engine, or its origins, whose process dies after a number of writes."""

    def __init__(self, inner: Any, left: list[int]) -> None:
        self._inner = inner
        self._left = left

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "origins":
            return Mortal(found, self._left)
        return self._counted(found) if name in DURABLE | NOTED else found

    def _counted(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            if self._left[0] <= 0:
                raise Killed
            self._left[0] -= 1
            return write(*given, **named)

        return call


def apply(root: Path, collection: Collection, change: Sequence[Any]) -> None:
    """Change the folder, or what is stored."""
    what, *given = change
    if what == "delete stored":
        ids = sorted(document.id for document in collection.page().documents)
        collection.delete(ids[given[0] : given[0] + 1])
        return
    path = root / given[0]
    if what == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content(path, given[1]))
    elif what == "delete":
        path.unlink(missing_ok=True)
    elif what == "touch" and path.exists():
        os.utime(path)
    elif what == "rename" and path.exists() and path.suffix == Path(given[1]).suffix:
        target = root / given[1]
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    elif what == "move folder" and path.exists():
        target = root / "moved"
        shutil.rmtree(target, ignore_errors=True)
        path.rename(target)


def content(path: Path, given: list[tuple[str, str, int]]) -> str:
    """The content of a file: words, or records with ids and without."""
    if path.suffix == ".txt":  # an empty one is rejected, and what was stored of it would stay
        return " ".join(word for _, word, _ in given) or "nothing"
    return "".join(
        json.dumps({"text": text, "v": value} | ({} if id == "3" else {"_id": id})) + "\n"
        for id, text, value in given
    )


def in_step(
    root: Path, collection: Collection, embedder: Embedder, left: int | None = None
) -> None:
    """Bring a collection in step; with ``left`` its process dies after as many writes."""
    engine: Engine = collection._engine
    if left is not None:
        engine = Mortal(engine, [left])
    sync = Sync(Collection(engine), Source.at(str(root)), most=1.0)
    try:
        sync.run(sync.plan(), lambda: embedder)
    except Killed:
        assert left is not None


def documents_of(collection: Collection) -> dict[str, Document]:
    """All documents by id."""
    return {one.id: one for one in collection.page().documents}


def answers(collection: Collection, embedder: Embedder) -> list[list[tuple[str, float]]]:
    """The hits of some searches."""
    vectors = embedder.embed(WORDS).vectors
    found = collection.search([Query(vector=vector, k=50) for vector in vectors])
    return [sorted((hit.document.id, round(hit.score, 5)) for hit in one.hits) for one in found]


def compare(root: Path, collection: Collection, embedder: Embedder) -> None:
    """Hold it against another collection that the folder is indexed into, without sources."""
    catalogue = open_catalogue("memory:")
    catalogue.create("anew", embedder.identity, Language.ENGLISH)
    anew = Collection(catalogue.open("anew"))
    before = Path.cwd()
    os.chdir(root.parent)
    try:
        ingest(anew, embedder, read_paths([root.name]))
    finally:
        os.chdir(before)
    assert documents_of(collection) == documents_of(anew)
    assert answers(collection, embedder) == answers(anew, embedder)


def drive(collection: Collection, embedder: Embedder, root: Path, given: Sequence[Any]) -> None:
    """Change the folder again and again, with a run after each, some of which die."""
    root.mkdir()
    for step, left in given:
        for change in step:
            apply(root, collection, change)
        in_step(root, collection, embedder, left)
        if left is None:
            compare(root, collection, embedder)
    in_step(root, collection, embedder)
    compare(root, collection, embedder)


@settings(max_examples=tries(12), deadline=None)
@given(given=runs)
def test_a_folder_in_step_equals_the_folder_indexed_anew(given: Any) -> None:
    """After any changes, and runs killed at any write: equal documents, equal answers."""
    with tempfile.TemporaryDirectory() as folder, open_hashing(8) as embedder:
        catalogue = open_catalogue("memory:")
        catalogue.create("kept", embedder.identity, Language.ENGLISH)
        drive(Collection(catalogue.open("kept")), embedder, Path(folder) / "docs", given)


@settings(max_examples=tries(3), deadline=None)
@given(given=runs)
def test_so_does_a_folder_kept_on_disk(given: Any) -> None:
    """With the documents and their origins in the store."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        embedder = stack.enter_context(open_hashing(8))
        kept = stack.enter_context(create_local(folder / "kept", embedder.identity))
        drive(kept, embedder, folder / "docs", given)
