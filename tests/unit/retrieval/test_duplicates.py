"""``bearing diagnose --duplicates``: documents with their copies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from called import run_bearing
from local import create_local
from PIL import Image
from samples import DIMENSION, make_identity
from scipy.sparse.csgraph import connected_components

from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.retrieval import duplicates


def call(folder: Path, *words: str) -> str:
    """What a command prints."""
    settings = {"BEARING_DATA": str(folder / "data"), "BEARING_MODEL": "hashing-images"}
    done = run_bearing(words, env=settings)
    assert done.exit_code == 0, done.output
    return done.stdout


def scene(seed: int) -> Image.Image:
    """Soft shapes, no two scenes the same."""
    rough = np.random.default_rng(seed).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    return Image.fromarray(rough).resize((320, 240), Image.Resampling.BICUBIC)


def test_copies_are_listed_beside_their_originals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures by what became of them, under the one of most pixels; texts that are the same."""
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(4):
        scene(number).save(photos / f"{number}.png")
    first = scene(0)
    first.resize((160, 120)).save(photos / "0-small.webp")
    first.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((64, 48)).save(photos / "0-turned.jpg")
    (photos / "2x.png").write_bytes((photos / "2.png").read_bytes())
    call(tmp_path, "index", "photos")
    assert [*groups(tmp_path)] == ["photos/0.png", "photos/2.png"]
    texts = [{"id": id, "text": text} for id, text in (("a", "x y"), ("b", "z"), ("c", "x y"))]
    (tmp_path / "texts.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in texts))
    call(tmp_path, "index", "texts.jsonl")
    assert groups(tmp_path) == {
        "photos/0.png": {"photos/0-small.webp": "copy", "photos/0-turned.jpg": "mirrored"},
        "photos/2.png": {"photos/2x.png": "copy"},
        "a": {"c": "same text"},
    }
    shown = call(tmp_path, "diagnose", "--duplicates").splitlines()
    assert shown[:2] == ["photos/0.png", "  copy          photos/0-small.webp"]


def groups(folder: Path) -> dict[str, dict[str, str]]:
    """The kinds of each document's copies."""
    found = json.loads(call(folder, "diagnose", "--duplicates", "--json"))
    told = {
        group["id"]: {one["id"]: one["kind"] for one in group["copies"]}
        for group in found["duplicates"]
    }
    assert found["copies"] == sum(map(len, told.values()))
    return told


def test_a_collection_without_copies_says_so(tmp_path: Path) -> None:
    """Nothing is listed."""
    (tmp_path / "one.txt").write_text("alone")
    call(tmp_path, "index", str(tmp_path / "one.txt"))
    assert "no document is a copy" in call(tmp_path, "diagnose", "--duplicates")


def test_similar_texts_are_listed_below_the_first(tmp_path: Path) -> None:
    """Each with its cosine, the nearest first; what says something else is not listed."""
    rng = np.random.default_rng(2)
    words = [f"word{number}" for number in range(400)]
    texts = [" ".join(rng.choice(words, 30)) for _ in range(40)]
    near = {"close": f"{texts[7]} two more", "closer": f"{texts[7]} more", "far": texts[7][:9]}
    lines = [{"id": str(at), "text": text} for at, text in enumerate(texts)]
    lines += [{"id": id, "text": text} for id, text in near.items()]
    lines.append({"id": "again", "text": near["close"]})
    (tmp_path / "texts.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    call(tmp_path, "index", str(tmp_path / "texts.jsonl"))
    found = json.loads(call(tmp_path, "diagnose", "--duplicates", "--json"))
    (group,) = found["duplicates"]
    assert (group["id"], found["copies"], found["groups"]) == ("7", 3, 1)
    assert [one["id"] for one in group["copies"]] == ["closer", "close", "again"]
    assert {one["kind"] for one in group["copies"]} == {"similar text"}
    for one in group["copies"]:
        other = near.get(one["id"], near["close"])
        told = call(tmp_path, "similarity", texts[7], "--against", other, "--json")
        assert one["cosine"] == pytest.approx(json.loads(told)["similarity"][0][0], abs=1e-4)


@pytest.mark.parametrize("most", [0, 10_000])
def test_texts_are_linked_as_a_graph_of_near_ones_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Copies of one text, and chains of which only neighbours are near, in whatever order."""
    monkeypatch.setattr(duplicates, "ALL_PAIRS", most)
    monkeypatch.setattr(duplicates, "_BLOCK", 64)
    rng = np.random.default_rng(5)
    topics = rng.standard_normal((300, DIMENSION))
    rows = [topics]
    rows += [topics[at] + 0.02 * rng.standard_normal((4, DIMENSION)) for at in (3, 70, 299)]
    rows += [topics[[9]] + step * topics[[10]] for step in (0.15, 0.3, 0.45, 0.6)]
    vectors = np.concatenate(rows).astype(np.float32)[rng.permutation(316)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with create_local(tmp_path / "c", make_identity()) as collection:
        collection.put(
            EmbeddedDocument(Document(str(at), f"text {at}"), (Chunk(0, 0, 4),), own[None])
            for at, own in enumerate(vectors)
        )
        least = duplicates._least_cosine([str(at) for at in range(len(vectors))], collection)
        found = duplicates.find_duplicates(collection, lambda _: None)
    count, labels = connected_components(vectors @ vectors.T >= least, directed=False)
    expected = [np.flatnonzero(labels == one).tolist() for one in range(count)]
    told = {
        int(one.id): sorted([int(one.id), *(int(copy.id) for copy in one.copies)])
        for one in found.groups
    }
    assert told == {own[0]: own for own in expected if len(own) > 1}
    assert sorted(map(len, told.values())) == [5, 5, 5, 5]
