"""Documents with pictures over HTTP: sent, kept and shown, and read from no place in a request."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from indexer.cli.index import index_reads, reading
from indexer.config import Config
from indexer.library import Library

COLOURS = ((200, 30, 30), (30, 200, 30), (30, 30, 200))


def image(colour: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> bytes:
    """An image of one colour, as a file."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def encoded(content: bytes) -> str:
    """Bytes in base64."""
    return base64.b64encode(content).decode()


@pytest.fixture
def client(connect: Callable[..., TestClient]) -> TestClient:
    """A client of a service whose model embeds images."""
    return connect(model="hashing-images", max_megapixels=1)


def put(client: TestClient, *documents: dict[str, object]) -> dict[str, object]:
    """The outcome of storing documents."""
    answer = client.put("/documents", json={"documents": list(documents)})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_picture_is_sent_kept_and_shown(client: TestClient) -> None:
    """With its facts, small and as it was, and is found; unchanged it is not stored again."""
    content = image(COLOURS[0], (640, 480))
    sent = {"id": "a/b", "image": encoded(content), "text": "red", "metadata": {"by": "me"}}
    assert put(client, sent, {"id": "t", "text": "red"})["written"] == 2
    assert put(client, sent)["unchanged"] == 1
    document = client.get("/documents/a/b").json()
    assert document["picture"] == {
        "media_type": "image/png",
        "width": 640,
        "height": 480,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "kept": True,
    }
    assert document["metadata"] == {
        "format": "png",
        "width": 640,
        "height": 480,
        "orientation": "landscape",
        "by": "me",
    }
    assert "picture" not in client.get("/documents/t").json()
    answer = client.get("/documents/a/b/picture")
    assert (answer.content, answer.headers["content-type"]) == (content, "image/png")
    small = client.get("/documents/a/b/thumbnail")
    assert small.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(small.content)).size == (320, 240)
    hit = client.post("/search", json={"image": encoded(content)}).json()["hits"][0]
    assert (hit["id"], hit["picture"]) == ("a/b", document["picture"])
    assert "picture" not in client.post("/search", json={"query": "red", "fields": []}).text


def test_a_browser_runs_nothing_in_a_picture_and_asks_again(client: TestClient) -> None:
    """Its type is not guessed, it is sandboxed, and one that it has is not sent twice."""
    put(client, {"id": "a", "image": encoded(image(COLOURS[0]))})
    for path in ("/documents/a/picture", "/documents/a/thumbnail"):
        answer = client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        policies = answer.headers.get_list("content-security-policy")
        assert "default-src 'none'; sandbox" in policies
        assert answer.headers["cache-control"] == "private, no-cache"
        tag = answer.headers["etag"]
        again = client.get(path, headers={"if-none-match": f'"x", {tag}'})
        assert (again.status_code, again.content) == (304, b"")
        put(client, {"id": "a", "image": encoded(image(COLOURS[1]))})
        assert client.get(path, headers={"if-none-match": tag}).status_code == 200
        put(client, {"id": "a", "image": encoded(image(COLOURS[0]))})
    client.delete("/documents/a")
    assert client.get("/documents/a/picture").status_code == 404


def test_ids_that_end_like_the_routes_are_documents(client: TestClient) -> None:
    """A document is found by its whole id; one without a picture has none to be sent."""
    put(client, {"id": "a/picture", "text": "a text"}, {"id": "b", "text": "another"})
    assert client.get("/documents/a/picture").json()["text"] == "a text"
    for path in ("/documents/b/picture", "/documents/b/thumbnail", "/documents/c/thumbnail"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["status"]) == (404, 404)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("http://127.0.0.1:9/cat.jpg", "is an address, and nothing is fetched"),
        ("/etc/ssl/key", "no image, or damaged"),  # which are letters of base64
        ("../cat.jpg", "is no base64"),
        (encoded(b"no image"), "no image, or damaged"),
        (encoded(image(COLOURS[0], (1200, 900))), "megapixels"),
    ],
)
def test_what_is_no_image_is_refused_by_its_place(
    client: TestClient, given: str, reason: str
) -> None:
    """Whole requests, and single lines of an import; no address is fetched, and no path read."""
    good = {"id": "good", "image": encoded(image(COLOURS[0]))}
    answer = client.put("/documents", json={"documents": [good, {"id": "a", "image": given}]})
    assert answer.status_code == 422
    assert "documents[1].image" in answer.json()["detail"]
    assert reason in answer.json()["detail"]
    lines = "".join(json.dumps(one) + "\n" for one in ({"id": "a", "image": given}, good))
    reports = [
        json.loads(line)
        for line in client.post("/documents/import", content=lines).text.splitlines()
    ]
    assert reports[0]["event"] == "rejected"
    assert (reports[0]["line"], reason in reports[0]["reason"]) == (1, True)
    assert (reports[-1]["written"], reports[-1]["rejected"]) == (1, 1)


def test_no_field_of_a_request_names_a_place(client: TestClient, tmp_path: Path) -> None:
    """A path among the fields is refused or plain metadata, and nothing is read from there."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(image(COLOURS[2]))
    for more in ({"place": str(secret)}, {"picture": {"place": str(secret)}}):
        body = {"documents": [{"id": "a", "image": encoded(image(COLOURS[0])), **more}]}
        assert client.put("/documents", json=body).status_code == 422
        body = {"documents": [{"id": "a", "text": "a", **more}]}
        assert client.put("/documents", json=body).status_code == 422
    line = {"id": "a", "text": "a", "metadata": {"place": str(secret), "picture": "x"}}
    client.post("/documents/import", content=json.dumps(line))
    assert "picture" not in client.get("/documents/a").json()
    assert client.get("/documents/a/picture").status_code == 404
    records = json.dumps({"id": "b", "image": str(secret)})
    answer = client.post("/documents/files?name=b.jsonl", content=records)
    assert "rejected" in answer.text
    assert client.get("/documents/b").status_code == 404


def test_an_uploaded_image_is_kept(client: TestClient) -> None:
    """By its name, as a file of any other format; a broken one is rejected."""
    content = image(COLOURS[1])
    answer = client.post("/documents/files?name=photos/b.png", content=content)
    assert json.loads(answer.text.splitlines()[-1])["written"] == 1
    assert client.get("/documents/photos/b.png/picture").content == content
    answer = client.post("/documents/files?name=c.png", content=content[:40])
    assert json.loads(answer.text.splitlines()[0])["event"] == "rejected"


def test_a_picture_left_in_its_place_is_sent_while_it_is_there(
    settings: Callable[..., object], connect: Callable[..., TestClient], tmp_path: Path
) -> None:
    """The very file that was indexed; gone, or another, it is 410, and its thumbnail stays."""
    photo = tmp_path / "photo.png"
    content = image(COLOURS[0])
    photo.write_bytes(content)
    config = Config(data=tmp_path / "data", cache=tmp_path, model="hashing-images")
    with Library(config) as library:
        index_reads(library, "default", reading([str(photo)]), None)
    client = connect(model="hashing-images")
    path = f"/documents/{photo}"
    assert client.get(path).json()["picture"]["kept"] is False
    assert str(tmp_path) not in json.dumps(client.get(path).json()["picture"])
    assert client.get(f"{path}/picture").content == content
    photo.write_bytes(bytes(len(content)))
    answer = client.get(f"{path}/picture")
    assert (answer.status_code, answer.headers["content-type"]) == (410, "application/problem+json")
    photo.unlink()
    assert client.get(f"{path}/picture").status_code == 410
    assert client.get(f"{path}/thumbnail").status_code == 200


def test_a_model_of_texts_refuses_pictures(connect: Callable[..., TestClient]) -> None:
    """With what to do; an import has them as metadata, as ever."""
    client = connect()
    body = {"documents": [{"id": "a", "image": encoded(image(COLOURS[0]))}]}
    answer = client.put("/documents", json=body)
    assert answer.status_code == 422
    assert "embeds texts only" in answer.json()["detail"]
    client.post("/documents/import", content=json.dumps({"id": "a", "text": "a", "image": "b"}))
    assert client.get("/documents/a").json()["metadata"] == {"image": "b"}
