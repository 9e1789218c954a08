"""A trained model that takes a collection over, is taken back, and is killed meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from forked import FORKED
from PIL import Image
from samples import LEARNED
from small_models import save_roberta

from indexer.config import Config
from indexer.documents import Document
from indexer.embedding import Backend
from indexer.errors import InvalidInput, NotFound
from indexer.ingestion.changes import store
from indexer.ingestion.pipeline import ingest
from indexer.ingestion.reindex import reindex
from indexer.learning.evidence import JUDGED, SEEN, JudgedQueries, Seen
from indexer.learning.gate.promotion import promote, roll_back, serving
from indexer.learning.models import Models, write_record
from indexer.learning.trained import Base, Trained, TrainedKind, TrainingData
from indexer.library import Library
from indexer.queries import Query
from indexer.readers import Fields, read_paths
from indexer.retrieval.search import search

DOCUMENTS = [
    Document(f"d{n}", f"the quick brown fox {n} jumps over word {n % 7}") for n in range(60)
]
ASKED = "a lazy dog on word 3"


def config(folder: Path) -> Config:
    """A library of the small BERT, computed here."""
    return Config(
        data=folder / "data",
        cache=folder / "cache",
        model=str(folder / "bert"),
        backend=Backend.TORCH,
        threads=1,
    )


@pytest.fixture
def folder(tmp_path: Path, bert: Path) -> Path:
    """A folder with a collection, and another model of random weights that was never better."""
    (tmp_path / "bert").symlink_to(bert)
    with Library(config(tmp_path)) as library:
        collection = library.create("docs")
        embedder = library.embedder(collection)
        store(collection, embedder, DOCUMENTS)
        identity = embedder.identity
        base = Base(identity.name, identity.mark, identity.dimension, "docs")
    data = TrainingData("made up", "0" * 64)
    with Models.of(config(tmp_path)).writing("other") as place:
        save_roberta(place)
        write_record(place, Trained("other", TrainedKind.MODEL, "contrastive", base, data))
        queries = {f"q{n}": f"search word {n % 7} of {n}" for n in range(30)}
        qrels = {id: {f"d{n}": 1} for n, id in enumerate(queries)}
        JudgedQueries(queries, qrels).write(place / JUDGED)
        Seen.of(["another query"], []).write(place / SEEN)
    return tmp_path


@pytest.fixture
def library(folder: Path) -> Iterator[Library]:
    """The library in that folder."""
    with Library(config(folder)) as library:
        yield library


def hits(library: Library) -> list[tuple[str, float]]:
    """What a text finds."""
    collection = library.open("docs")
    (answer,) = search(collection, library.embedder(collection), [Query(text=ASKED, k=5)])
    return [(hit.document.id, round(hit.score, 5)) for hit in answer.hits]


def test_a_model_moves_the_collection_and_back(library: Library, folder: Path) -> None:
    """Refused, it changes nothing; forced, it serves and says so; the way back embeds nothing."""
    models, collection = Models.of(library.config), library.open("docs")
    own, before = collection.identity.name, hits(library)
    collection.keep_calibration(replace(LEARNED, model=collection.mark))
    calibrated = collection.calibrations()
    told: list[str] = []
    refused = promote(library, models, "other", "docs", tell=lambda phase, *_: told.append(phase))
    assert not refused.serves and collection.identity.name == own and hits(library) == before
    assert {one.split for one in refused.figures} >= {"queries", "documents", "costs"}
    done = promote(library, models, "other", "docs", force=True, tell=lambda *_: None)
    assert done.forced and done.documents == len(DOCUMENTS) and set(told) == {"trial"}
    assert collection.identity.name == str(models.path("other"))
    assert done.calibrations.calibrated == ("dense",)
    assert collection.calibrations()["dense"].curve != LEARNED.curve
    index = collection.describe().index
    assert index["forced"] is True and index["beside"]["model"] == own
    assert index["promoted_over"] == own
    assert serving(library, models) == {"other": ["docs"]}
    moved = hits(library)
    assert moved != before
    with Library(config(folder)) as again:  # what the gate wrote made no other model of it
        assert hits(again) == moved
    store(collection, library.embedder(collection), [Document("late", "a late word")])
    back = roll_back(library, "docs")
    assert (back.model, back.documents, back.calibrated) == (own, 1, ("dense",))
    assert collection.calibrations() == calibrated
    collection.delete(["late"])
    assert hits(library) == before and "forced" not in collection.describe().index
    with pytest.raises(NotFound, match="nothing was promoted"):
        roll_back(library, "docs")
    again = promote(library, models, "other", "docs", force=True)
    assert again.documents == 0 and hits(library) == moved


def _go_to_and_fro(folder: Path) -> None:
    """Promote and take back until killed."""
    with Library(config(folder)) as library:
        models = Models.of(library.config)
        while True:
            promote(library, models, "other", "docs", force=True)
            roll_back(library, "docs")


@pytest.mark.usefixtures("forked")
@pytest.mark.long
def test_a_killed_promotion_leaves_one_model_or_the_other(folder: Path) -> None:
    """At twenty random moments; it finds what that model finds, and goes on from there."""
    with Library(config(folder)) as library:
        models = Models.of(library.config)
        known = {library.open("docs").identity.name: hits(library)}
        promote(library, models, "other", "docs", force=True)
        known[library.open("docs").identity.name] = hits(library)
    chance = random.Random(7)
    for _ in range(20):
        process = FORKED.Process(target=_go_to_and_fro, args=(folder,))
        process.start()
        time.sleep(chance.uniform(0.1, 5))
        process.kill()
        process.join()
        with Library(config(folder)) as library:
            assert hits(library) == known[library.open("docs").identity.name]
            assert library.verify("docs", _hear_nothing).sound


def _hear_nothing(_: object) -> None:
    """Ignore progress."""


def test_the_way_back_to_a_model_of_texts_is_shut_by_pictures(tmp_path: Path) -> None:
    """Pictures that would lose their vectors are named; without them it is open."""
    with Library(Config(data=tmp_path / "data", cache=tmp_path, model="hashing-64")) as library:
        collection = library.create("docs")
        store(collection, library.embedder(collection), DOCUMENTS[:5])
        own, sees = collection.identity.name, library.model("hashing-images-256")
        moving = partial(collection.move, sees.identity, forced=False)
        reindex(collection, sees, before_switch=moving, keep=True)
        for number in range(7):
            Image.new("RGB", (8, 8), (30 * number, 9, 9)).save(tmp_path / f"p{number}.png")
        ingest(collection, sees, read_paths([str(tmp_path)], Fields(pictures=True)))
        pictures = collection.describe().documents - 5
        with pytest.raises(InvalidInput, match=r"p0\.png.* and 2 more are pictures"):
            roll_back(library, "docs")
        assert (pictures, collection.identity.name) == (7, sees.identity.name)
        collection.delete([str(tmp_path / f"p{number}.png") for number in range(7)])
        assert roll_back(library, "docs").model == own
        assert collection.identity.name == own
