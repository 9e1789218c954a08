"""Training on pictures, of small models of texts and images with random weights."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from called import run_bearing
from PIL import Image
from safetensors.numpy import load_file
from small_models import SEEING

from indexer.config import Config
from indexer.embedding import Backend, Embedder, open_embedder
from indexer.errors import Gone, InvalidInput
from indexer.learning.examples import Example
from indexer.learning.examples_files import read_examples
from indexer.learning.examples_pictures import unlabelled_pictures, with_pictures
from indexer.learning.gate.promotion import promote, roll_back
from indexer.learning.kept_pictures import KeptPictures
from indexer.learning.methods import METHODS
from indexer.learning.models import Models
from indexer.learning.options import read_options
from indexer.learning.picture_views import varied
from indexer.learning.progress import Progress
from indexer.learning.run import Material
from indexer.learning.split import Part, Splitting
from indexer.learning.training import Done, Training, train
from indexer.library import Library
from indexer.pictures import Fit
from indexer.queries import Query
from indexer.readers import Fields, Rejection, read_paths

from .drawings import SIDE, drawing, write_album

Seeing = Callable[[str], Embedder]


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeing]:
    """Small models that see, by kind, each opened once."""
    folder, opened = tmp_path_factory.mktemp("seeing"), dict[str, Embedder]()

    def get(kind: str) -> Embedder:
        if kind not in opened:
            path = str(SEEING[kind](folder / kind))
            opened[kind] = open_embedder(
                path, cache=folder / "cache", backend=Backend.TORCH, threads=1
            )
        return opened[kind]

    yield get
    for one in opened.values():
        one.close()


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of 70 drawings with captions."""
    return write_album(tmp_path_factory.mktemp("album"), 70)


def examples(album: Path, kept: KeptPictures, material: Material) -> list[Example | Rejection]:
    """The examples of an album."""
    if material is Material.PAIRS:
        found = read_examples([str(album)], None, pictures=True)
    else:
        items = (read.item for read in read_paths([str(album)], Fields(pictures=True)))
        found = unlabelled_pictures(items, material)
    return list(with_pictures(found, kept, None))


@contextmanager
def training(
    embedder: Embedder, folder: Path, method: str, *words: str, name: str = "trained"
) -> Iterator[Training]:
    """A training on pictures, with settings given as words."""
    options = METHODS[method].learns(pictures=True).options
    quick = ("batch=16", "evaluations=2", "patience=9")
    with KeptPictures(embedder.fit, max_pixels=10_000) as kept:
        yield Training(
            name, METHODS[method], read_options(options, (*quick, *words)), "test",
            Models(folder / "models"), embedder, None, folder / "cache",
            Splitting(held_out=0.2, validation=0.1), threads=1, pictures=kept,
        )  # fmt: skip


def run(made: Training, album: Path, tell: Callable[[Progress], None] = lambda _: None) -> Done:
    """Train on an album, of which nothing may be refused."""
    assert made.pictures is not None
    refused: list[Rejection] = []
    found = examples(album, made.pictures, made.material)
    done = train(made, found, refused.append, tell)
    assert not refused
    return done


def weights(folder: Path) -> dict[str, Any]:
    """All weights of a folder, by file and name."""
    return {
        f"{path.relative_to(folder)}:{name}": tensor
        for path in folder.rglob("*.safetensors")
        for name, tensor in load_file(path).items()
    }


def reciprocal_rank(queries: Any, pictures: Any) -> float:
    """The mean of one over the rank of each query's picture, which has its place."""
    scores = queries @ pictures.T
    return float(np.mean([1 / (row >= row[place]).sum() for place, row in enumerate(scores)]))


@pytest.mark.parametrize("kind", ["router", pytest.param("clip", marks=pytest.mark.long)])
def test_projections_name_pictures_that_they_never_saw(
    kind: str, seeing: Seeing, album: Path, tmp_path: Path
) -> None:
    """Held-out captions find their pictures better, and others load it with the same vectors."""
    from sentence_transformers import SentenceTransformer

    words = ("epochs=40", "learning_rate=0.01")
    with training(seeing(kind), tmp_path, "clip", *words) as made:
        done = run(made, album)
    figure = done.trained.figures[0]
    assert figure.after > 2 * figure.before
    parts: dict[Part, list[Any]] = {part: [] for part in Part}
    for one in map(json.loads, album.read_text().splitlines()):
        parts[made.splitting.of_query(one["text"])].append(one)
    held = parts[Part.HELD_OUT]
    records = held + parts[Part.TRAIN]
    texts = [one["text"] for one in held]
    images = [Image.open(album.parent / one["image"]) for one in records]
    theirs = SentenceTransformer(str(done.folder), device="cpu")
    encoded = theirs.encode([{"text": text} for text in texts])
    seen = theirs.encode([{"image": image} for image in images])
    cache = tmp_path / "cache"
    with open_embedder(str(done.folder), cache=cache, backend=Backend.TORCH, threads=1) as mine:
        assert np.vecdot(mine.embed(texts).vectors, encoded).min() > 0.9999
        assert np.vecdot(mine.embed_images(list(map(np.asarray, images))), seen).min() > 0.9999
    assert figure.queries == len(held)
    assert reciprocal_rank(encoded, seen) == pytest.approx(figure.after, abs=1e-4)
    old = seeing(kind)
    plain = reciprocal_rank(
        old.embed(texts).vectors, old.embed_images(list(map(np.asarray, images)))
    )
    assert plain == pytest.approx(figure.before, abs=1e-4)


CASES = {
    "projections": ("clip", "clip", ("epochs=4", "learning_rate=0.01")),
    "clip": ("clip", "clip", ("frozen=false",)),
    "contrastive": ("contrastive", "router", ()),
    "simclr": ("simclr", "clip", ("learning_rate=0.001",)),
    "moco": ("moco", "router", ("queue=40",)),
}
"""A method, the kind of model, and settings."""


@pytest.mark.parametrize(
    "case",
    [pytest.param(one, marks=[pytest.mark.long] * (one == "projections")) for one in CASES],
)
def test_every_method_trains(case: str, seeing: Seeing, album: Path, tmp_path: Path) -> None:
    """Weights are others; texts stay where they are not asked."""
    method, kind, words = CASES[case]
    with training(seeing(kind), tmp_path, method, *words) as made:
        after = weights(run(made, album).folder)
    before = weights(Path(seeing(kind).identity.name))
    changed = {name for name in before if not np.array_equal(before[name], after.get(name, 0))}
    assert changed or after.keys() - before.keys()
    if method in ("simclr", "moco"):
        assert changed
        assert not any("text" in name and "vision" not in name for name in changed)


@pytest.mark.parametrize(
    "case",
    [one if one == "moco" else pytest.param(one, marks=pytest.mark.long) for one in CASES],
)
def test_every_method_resumes(case: str, seeing: Seeing, album: Path, tmp_path: Path) -> None:
    """A checkpoint leads to the weights of an unbroken run; MoCo's holds more than the others'."""

    class Killed(Exception):
        """Stands for the end of a process."""

    method, kind, words = CASES[case]
    words = ("checkpoint_seconds=0", *words)
    with training(seeing(kind), tmp_path, method, *words, name="whole") as made:
        whole = run(made, album)

    def kill(progress: Progress) -> None:
        if progress.step == 2 and progress.phase == "training":
            raise Killed

    with (
        training(seeing(kind), tmp_path, method, *words, name="cut") as made,
        pytest.raises(Killed),
    ):
        run(made, album, kill)
    with training(seeing(kind), tmp_path, method, *words, name="cut") as made:
        resumed = run(replace(made, resume=True), album)
    one, other = weights(whole.folder), weights(resumed.folder)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_pictures_without_captions_find_their_views(seeing: Seeing, tmp_path: Path) -> None:
    """Where there is no caption, a view of a picture held out is to find it."""
    bare = write_album(tmp_path / "bare", 40, captions=False)
    with training(seeing("clip"), tmp_path, "simclr", "epochs=1") as made:
        done = run(made, bare)
    assert done.trained.figures[0].queries > 3
    assert 0 < done.trained.figures[0].before <= 1


def test_records_of_pictures_are_read_or_refused_by_line(tmp_path: Path) -> None:
    """Captions may be several, pictures be within; what is none is refused with its place."""
    png = drawing(["quick", "lazy"])
    (tmp_path / "a.png").write_bytes(png)
    (tmp_path / "cut.png").write_bytes(png[:60])
    inside = f"data:image/png;base64,{b64encode(png).decode()}"
    records: list[dict[str, Any]] = [
        {"id": "a", "image": "a.png", "captions": ["one", "two"]},
        {"id": "b", "image": inside, "query": "three", "text": "not this"},
        {"id": "c", "image": "a.png"},
        {"id": "d", "image": "cut.png", "text": "cut"},
        {"id": "e", "image": "gone.png", "text": "gone"},
        {"id": "f", "image": "https://example.com/a.png", "text": "address"},
        {"query": "words", "positive": "a text that answers"},
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    with KeptPictures(Fit(8, 8, None, 3), max_pixels=10_000) as kept:
        found = examples(path, kept, Material.PAIRS)
        read = [one for one in found if isinstance(one, Example)]
        refused = {
            one.place.rpartition(":")[2]: one.reason for one in found if isinstance(one, Rejection)
        }
        assert [one.query for one in read] == ["one", "two", "three", "words"]
        assert len({one.picture for one in read[:3]}) == len(kept) == 1
        assert kept.read([read[0].picture]).shape == (1, 8, 8, 3)
    assert read[3].positive == "a text that answers" and not read[3].picture
    assert set(refused) == {"3", "4", "5", "6"}
    assert "caption" in refused["3"] and "gone.png" in refused["5"] and "fetched" in refused["6"]


def test_folders_of_judged_pictures(album: Path, tmp_path: Path) -> None:
    """Of a folder in BEIR's layout queries are answered by the pictures of its documents."""
    folder = tmp_path / "judged"
    folder.mkdir()
    (folder / "images").symlink_to(album.parent / "images")
    (folder / "corpus.jsonl").write_text(album.read_text())
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "stripes"}\n')
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tp1\t1\nq\tp2\t1\n")
    with KeptPictures(Fit(8, 8, None, 3), max_pixels=10_000) as kept:
        found = examples(folder, kept, Material.PAIRS)
        assert [(one.query, one.positive_id) for one in found if isinstance(one, Example)] == [
            ("stripes", "p1"), ("stripes", "p2"),
        ]  # fmt: skip
        assert len(kept) == 2


def test_a_collection_of_pictures_is_taken_over_by_what_it_trained(
    seeing: Seeing, album: Path, tmp_path: Path
) -> None:
    """Promoted, a model embeds originals again; one that is gone is named, and nothing moves."""
    model = seeing("router").identity.name
    config = Config(
        data=tmp_path / "data", cache=tmp_path / "cache", model=model, backend=Backend.TORCH,
        threads=1,
    )  # fmt: skip
    copied = Path(shutil.copytree(album.parent, tmp_path / "album"))
    settings = {
        "BEARING_DATA": str(config.data), "BEARING_CACHE": str(config.cache),
        "BEARING_MODEL": model, "BEARING_BACKEND": "torch", "BEARING_THREADS": "1",
    }  # fmt: skip
    trained = ("--method", "clip", "--set", "epochs=8,batch=16", "--output", "drawn")
    for words in (
        ("index", str(copied / "corpus.jsonl"), "--collection", "album"),
        ("train", "--from-collection", "album", *trained),
    ):
        shown = run_bearing(list(words), env=settings)
        assert shown.exit_code == 0, shown.output
    with Library(config) as library:
        models, collection = Models.of(config), library.open("album")
        before = collection.identity.mark
        done = promote(library, models, "drawn", "album", force=True)
        assert done.documents == 70 and not collection.identity.made(before)
        embedder = library.embedder(collection)
        with Image.open(copied / "images" / "7.png") as image:
            vector = embedder.embed_images([np.asarray(image)])[0]
        (answer,) = collection.search([Query(vector=vector, k=1)])
        assert answer.hits[0].score > 0.9999
        roll_back(library, "album")
        assert collection.identity.made(before)
        (copied / "images" / "5.png").unlink()
        with pytest.raises(Gone, match=r"5\.png"):
            promote(library, models, "drawn", "album", force=True)
        assert collection.identity.made(before)


def test_views_vary_by_their_numbers_alone() -> None:
    """Equal numbers give equal views, others give others; without any a picture stays."""
    random = np.random.default_rng(0)
    pixels = torch.from_numpy(random.integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8))
    pixels = pixels.repeat(4, 1, 1, 1)
    shown = varied(pixels, [(), (1, 2), (1, 2), (1, 3)])
    assert shown.dtype == torch.uint8 and shown.shape == pixels.shape
    assert torch.equal(shown[0], pixels[0])
    assert torch.equal(shown[1], shown[2])
    assert not torch.equal(shown[1], shown[0]) and not torch.equal(shown[1], shown[3])


def test_what_has_no_picture_is_refused(seeing: Seeing, album: Path, tmp_path: Path) -> None:
    """Pairs of texts alone do not train by pictures, and options of texts are refused."""
    with training(seeing("router"), tmp_path, "clip") as made:
        texts = [Example(f"a {n}", f"q{n}", f"text {n}", f"d{n}") for n in range(40)]
        with pytest.raises(InvalidInput, match="no example has a picture"):
            train(made, texts, lambda _: None, lambda _: None)
    with (
        training(seeing("router"), tmp_path, "contrastive", "frozen_layers=1") as made,
        pytest.raises(InvalidInput, match="of texts alone"),
    ):
        run(made, album)
