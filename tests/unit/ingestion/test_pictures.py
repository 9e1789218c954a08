"""Images on their way into a collection: read once, kept with what they say, never read elsewhere.

The model is the one of colours, which needs no files.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from embedders import Unused
from local import create_local
from PIL import Image

from indexer.collection import Collection
from indexer.documents import Document
from indexer.embedding.embedder import Embedder
from indexer.embedding.hashing_engine import open_hashing
from indexer.errors import Gone, InvalidInput
from indexer.export.files import export
from indexer.ingestion.pictures import USUAL_READING, PictureReading
from indexer.ingestion.pipeline import Summary, ingest
from indexer.ingestion.reindex import reindex
from indexer.queries import Query, SearchOf
from indexer.readers import Fields, Rejection, read_paths

MODEL = open_hashing(sees=True)
COLOURS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 40))


def write_image(path: Path, colour: Sequence[int], size: tuple[int, int] = (60, 40)) -> bytes:
    """An image of one colour, darker to the right, as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = np.linspace(1, 0.5, size[0])[None, :, None]
    pixels = np.ones((size[1], 1, 1)) * shade * np.array(colour)
    Image.fromarray(pixels.astype(np.uint8)).save(path, "JPEG" if path.suffix == "" else None)
    return path.read_bytes()


def write_photo(path: Path) -> None:
    """A photo with all that a camera says."""
    exif = Image.Exif()
    exif[0x010E], exif[0x010F], exif[0x0110] = "Häuser am See".encode(), "Box", "Box One"
    exif[0x0112] = 6  # to be turned
    exif.get_ifd(0x8769).update({0x9003: "2024:03:01 09:30:00", 0x9011: "+01:00"})
    exif.get_ifd(0x8825).update(
        {1: "S", 2: (10.0, 30.0, 0.0), 3: "E", 4: (20.0, 15.0, 36.0)}  # degrees, minutes, seconds
    )
    Image.new("RGB", (80, 50), COLOURS[0]).save(path, exif=exif)


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """An empty collection of a model that sees."""
    with create_local(tmp_path / "data" / "default", MODEL.identity) as made:
        yield made


def index(
    collection: Collection, *paths: Path, how: PictureReading = USUAL_READING
) -> tuple[Summary, list[Rejection]]:
    """What indexing these comes to, and what was rejected."""
    rejected: list[Rejection] = []
    reads = read_paths([str(path) for path in paths], Fields(pictures=True))
    done = ingest(collection, MODEL, reads, on_reject=rejected.append, pictures=how)
    return done, rejected


def only(collection: Collection, id: str) -> Document:
    """A document that is there."""
    (found,) = collection.get([id])
    assert found is not None
    return found


def test_images_are_found_among_other_files(collection: Collection, tmp_path: Path) -> None:
    """By suffix or by content; each keeps its file's name as id, its place and a thumbnail."""
    folder = tmp_path / "photos"
    content = write_image(folder / "a.jpg", COLOURS[0], (640, 400))
    write_image(folder / "deep" / "b.png", COLOURS[1])
    write_image(folder / "nameless", COLOURS[2])
    (folder / "c.txt").write_text("a text")
    (folder / "d.jpg").write_bytes(b"\xff\xd8\xff broken")
    done, rejected = index(collection, folder)
    assert (done.written, done.rejected, done.empty) == (4, 1, 0)
    assert rejected[0].place == str(folder / "d.jpg")
    found = only(collection, str(folder / "a.jpg"))
    assert found.picture is not None
    assert found.picture.place == str(folder / "a.jpg")
    assert (found.picture.media_type, found.picture.bytes) == ("image/jpeg", len(content))
    assert found.metadata == {
        "format": "jpeg",
        "width": 640,
        "height": 400,
        "orientation": "landscape",
    }
    small = Image.open(io.BytesIO(collection.thumbnail(found.id) or b""))
    assert (small.format, small.size) == ("JPEG", (320, 200))
    assert collection.original(found.id) is None
    for name, colour in (("a.jpg", 0), ("deep/b.png", 1), ("nameless", 2)):
        pixels = np.full((40, 60, 3), COLOURS[colour], np.uint8)
        (vector,) = MODEL.embed_images([pixels])
        query = Query(vector=vector, k=1, of=SearchOf.IMAGE)
        hit = collection.search([query])[0].hits[0]
        assert hit.document.id == str(folder / name)


def test_what_a_photo_says_becomes_caption_and_metadata(
    collection: Collection, tmp_path: Path
) -> None:
    """Caption, moment, camera and size as looked at; the place only if that is asked for."""
    photo = tmp_path / "photo.jpg"
    write_photo(photo)
    index(collection, photo)
    found = only(collection, str(photo))
    assert found.text == "Häuser am See"
    assert found.metadata == {
        "format": "jpeg",
        "width": 50,
        "height": 80,
        "orientation": "portrait",
        "taken": "2024-03-01T09:30:00+01:00",
        "camera": "Box One",
    }
    done, _ = index(collection, photo, how=PictureReading(gps=True))
    assert (done.amended, done.written) == (1, 0)
    found = only(collection, str(photo))
    assert (found.metadata["latitude"], found.metadata["longitude"]) == (-10.5, 20.26)


def test_what_is_stored_is_not_read_again(collection: Collection, tmp_path: Path) -> None:
    """A file of the same size and time is not opened, one of the same content not decoded."""
    path = tmp_path / "a.png"
    content = write_image(path, COLOURS[0])
    index(collection, path)
    status = path.stat()
    path.write_bytes(bytes(len(content)))  # no image; it would be rejected if it were read
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    done, rejected = index(collection, path)
    assert (done.unchanged, rejected) == (1, [])
    path.write_bytes(content)
    done, rejected = index(collection, path, how=PictureReading(max_pixels=1))
    assert (done.amended, rejected) == (1, [])  # its time of change, without decoding
    write_image(path, COLOURS[1])
    done, rejected = index(collection, path, how=PictureReading(max_pixels=1))
    assert (done.rejected, "megapixels" in rejected[0].reason) == (1, True)
    assert index(collection, path)[0].written == 1
    assert index(collection, path)[0].unchanged == 1


def test_records_name_images(collection: Collection, tmp_path: Path) -> None:
    """By a path from their file, or the image itself; such a file is no document besides."""
    for number in range(3):
        write_image(tmp_path / "set" / "images" / f"{number}.png", COLOURS[number])
    sent = base64.b64encode(write_image(tmp_path / "sent.png", COLOURS[3])).decode()
    records = [
        {"_id": "a", "image": "images/0.png", "text": "a caption", "by": "me"},
        {"_id": "b", "image": "images/1.png", "metadata": {"width": 7}},
        {"_id": "c", "image": f"data:image/png;base64,{sent}"},
        {"_id": "d", "image": "http://127.0.0.1:9/cat.jpg"},
        {"_id": "e", "image": "images/none.png"},
        {"_id": "f", "text": "a text"},
        {"_id": "g", "image": 7, "text": "a text with a number"},
    ]
    lines = "".join(f"{json.dumps(one)}\n" for one in records)
    (tmp_path / "set" / "records.jsonl").write_text(lines)
    done, rejected = index(collection, tmp_path / "set")
    assert [one.place for one in rejected] == ["document 'd'", "document 'e'"]
    assert "nothing is fetched" in rejected[0].reason
    assert done.written == 6
    a, b, c, f, g, other = collection.page().documents
    assert (a.text, a.metadata["by"], a.metadata["width"]) == ("a caption", "me", 60)
    assert a.picture is not None
    assert a.picture.place == str(tmp_path / "set" / "images" / "0.png")
    assert b.metadata["width"] == 7  # what is given stands above what the file says
    assert c.picture is not None
    assert c.picture.place is None
    assert collection.original("c") == base64.b64decode(sent)
    assert (f.picture, g.metadata) == (None, {"image": 7})
    assert other.id == str(tmp_path / "set" / "images" / "2.png")
    assert index(collection, tmp_path / "set")[0].unchanged == 6


def test_many_images_come_in_order(collection: Collection, tmp_path: Path) -> None:
    """Over several batches, with broken ones and texts between; the last of one id stays."""
    for number in range(140):
        path = tmp_path / "photos" / f"{number:03}.png"
        if number % 50 == 7:
            path.write_bytes(b"\x89PNG\r\n broken")
        else:
            write_image(path, (number, 255 - number, 90), (12, 8))
    done, rejected = index(collection, tmp_path / "photos", tmp_path / "photos")
    assert [Path(one.place).stem for one in rejected] == ["007", "057", "107"] * 2
    assert (done.written, done.unchanged, done.repeated) == (137, 137, 137)
    ids = [Path(one.id).stem for one in collection.page(limit=200).documents]
    assert ids == [f"{n:03}" for n in range(140) if n % 50 != 7]


def test_a_model_of_texts_takes_none(tmp_path: Path) -> None:
    """Each image is rejected with what to do, and the texts beside are taken."""
    model = open_hashing()
    write_image(tmp_path / "photos" / "a.png", COLOURS[0])
    (tmp_path / "photos" / "b.txt").write_text("a text")
    with create_local(tmp_path / "default", model.identity) as collection:
        rejected: list[Rejection] = []
        reads = read_paths([str(tmp_path / "photos")])
        done = ingest(collection, model, reads, on_reject=rejected.append)
        assert (done.written, done.rejected) == (1, 1)
        assert "--model minilm-efficientnet-lite0" in rejected[0].reason


def test_another_model_embeds_the_originals(collection: Collection, tmp_path: Path) -> None:
    """In their place or kept, as if they were indexed with it at first; texts likewise."""
    write_image(tmp_path / "photos" / "a.png", COLOURS[0], (900, 600))
    sent = base64.b64encode(write_image(tmp_path / "sent.png", COLOURS[3])).decode()
    (tmp_path / "photos" / "b.jsonl").write_text(
        json.dumps({"_id": "b", "image": f"data:image/png;base64,{sent}"}) + "\n"
        '{"_id": "c", "text": "a text"}\n'
    )
    index(collection, tmp_path / "photos")
    other = open_hashing(64, sees=True)
    assert reindex(collection, other).documents == 3
    with create_local(tmp_path / "data" / "fresh", other.identity) as fresh:
        reads = read_paths([str(tmp_path / "photos")], Fields(pictures=True))
        ingest(fresh, other, reads)
        ids = [one.id for one in fresh.page().documents]
        for mine, its in zip(collection.vectors(ids), fresh.vectors(ids), strict=True):
            assert mine is not None
            assert its is not None
            np.testing.assert_array_equal(mine.vectors, its.vectors)
        assert collection.get(ids) == fresh.get(ids)


@pytest.mark.parametrize("other", ["gone", "another"])
def test_a_picture_that_is_gone_is_named(
    collection: Collection, tmp_path: Path, other: str
) -> None:
    """No other model embeds it, least of all from its thumbnail; the collection stays as it is."""
    path = tmp_path / "a.png"
    write_image(path, COLOURS[0])
    index(collection, path)
    path.unlink()
    if other == "another":
        write_image(path, COLOURS[1])
    with pytest.raises(Gone, match=r"a\.png"):
        reindex(collection, open_hashing(64, sees=True))
    assert collection.identity.dimension == 256
    assert collection.thumbnail(str(path))


def test_a_model_of_texts_embeds_no_picture(collection: Collection, tmp_path: Path) -> None:
    """A collection with pictures does not move to it."""
    for name in "abcdefg":
        write_image(tmp_path / f"{name}.png", COLOURS[0])
    index(collection, tmp_path)
    told: list[object] = []
    with pytest.raises(InvalidInput, match="embeds texts only") as refused:
        reindex(collection, open_hashing(64), told.append)
    assert "a.png" in str(refused.value) and "more are pictures" in str(refused.value)
    assert collection.identity.dimension == 256
    assert told == []


@pytest.mark.parametrize("suffix", ["jsonl.gz", "parquet"])
def test_an_export_with_pictures_indexes_to_an_equal_collection(
    collection: Collection, tmp_path: Path, suffix: str
) -> None:
    """Kept ones come along, those in their places are named; vectors and all files are the same."""
    write_image(tmp_path / "photos" / "a.png", COLOURS[0])
    encoded = base64.b64encode(write_image(tmp_path / "b.png", COLOURS[1])).decode()
    picture = {"id": "kept", "text": "a caption", "image": f"data:image/png;base64,{encoded}"}
    bare = {"id": "bare", "image": f"data:image/png;base64,{encoded}", "year": 2020}
    lines = [picture, bare, {"id": "text", "text": "red and green"}]
    (tmp_path / "lines.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    done, rejected = index(collection, tmp_path / "photos", tmp_path / "lines.jsonl")
    assert (done.written, rejected) == (4, [])
    file = str(tmp_path / f"out.{suffix}")
    export(collection, file, lambda _: None)
    with create_local(tmp_path / "data" / "copy", MODEL.identity) as copy:
        unused: Embedder = Unused(MODEL)  # type: ignore[assignment]
        refused: list[Rejection] = []
        ingest(copy, unused, read_paths([file], Fields(pictures=True)), on_reject=refused.append)
        assert refused == []
        assert everything(copy) == everything(collection)
        assert sum(original is not None for *_, original in everything(copy)) >= 2


def everything(collection: Collection) -> list[tuple[object, ...]]:
    """All documents in order, with vectors, chunks, and the files of their pictures."""
    ids = [one.id for one in collection.page().documents]
    stored = [one for one in collection.embedded(ids) if one is not None]
    files = [(collection.thumbnail(id), collection.original(id)) for id in ids]
    return [
        (one.document, one.chunks, one.vectors.tobytes(), *kept)
        for one, kept in zip(stored, files, strict=True)
    ]
