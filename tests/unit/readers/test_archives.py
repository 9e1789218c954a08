"""Archives, made by the standard library."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest
from bombs import with_bomb

from indexer.errors import Unreadable
from indexer.readers.containers import allowed
from indexer.readers.reading import Fields, Illustrated
from indexer.readers.sources import Allowance

FILES = {
    "notes/a.txt": b"A text.",
    "notes/.hidden": b"Not this.",
    "__MACOSX/notes/._a.txt": b"Nor this.",
    "rows.jsonl": b'{"id": "r1", "text": "one"}\n{"nothing": 1}\n{"id": "r2", "text": "two"}\n',
    "page.html.gz": gzip.compress(b"<title>T</title><p>A page."),
    "b.png": b"\x89PNG\r\n\x1a\n",
}


def zipped(files: dict[str, bytes]) -> bytes:
    """A ZIP archive of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", b"")
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w") -> bytes:
    """A tar archive of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", zipped(FILES)),
        ("a.tar", tarred(FILES)),
        ("a.tar.gz", tarred(FILES, "w:gz")),
        ("a.tgz", tarred(FILES, "w:gz")),
        ("a.tar.xz", tarred(FILES, "w:xz")),
        ("b", tarred(FILES)),
        ("c", zipped(FILES)),
    ],
)
def test_each_file_is_read_by_its_own_format(read, name, content) -> None:
    """Ids begin with the archive's name; hidden files are skipped, the others named if not read."""
    found = read(name, content)
    ids = [(document.id, document.text) for document in found.documents]
    assert ids == [
        (f"{name}/notes/a.txt", "A text."),
        ("r1", "one"),
        ("r2", "two"),
        (f"{name}/page.html.gz", "A page."),
    ]
    assert [one.place for one in found.rejections] == [f"{name}/rows.jsonl:2", f"{name}/b.png"]
    consumed = [step.consumed for step in found.reads]
    assert consumed == sorted(consumed)


def test_archives_within_archives_are_read_to_a_depth(read) -> None:
    """Deeper ones are named."""
    content = zipped({"a.txt": b"deep"})
    for level in range(5):
        content = zipped({"a.txt": b"level %d" % level, "b.zip": content})
    found = read("a.zip", content)
    assert [document.text for document in found.documents] == [f"level {n}" for n in (4, 3, 2, 1)]
    assert found.rejections[0].place == "a.zip/b.zip/b.zip/b.zip/b.zip"
    assert "deep" in found.rejections[0].reason


def test_names_lead_nowhere(read, folder) -> None:
    """A member's name is a part of an id, and no file is made of it."""
    found = read("a.zip", zipped({"../../outside.txt": b"one", "/etc/b.txt": b"two"}))
    assert [one.id for one in found.documents] == ["a.zip/../../outside.txt", "a.zip/etc/b.txt"]
    assert not (folder.parent.parent / "outside.txt").exists()


def test_what_cannot_be_unpacked_is_named_and_the_others_are_read(read) -> None:
    """An encrypted member, a damaged one, a link."""
    data = bytearray(zipped({"a.txt": b"first", "b.txt": b"second"}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rindex(mark) + place] |= 1
    found = read("a.zip", bytes(data))
    assert [one.text for one in found.documents] == ["first"]
    assert "encrypted" in found.rejections[0].reason
    out = io.BytesIO(tarred({"a.txt": b"first"}))
    with tarfile.open(fileobj=out, mode="a") as archive:
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    found = read("a.tar", out.getvalue())
    assert [one.text for one in found.documents] == ["first"]
    assert (found.rejections[0].place, "link" in found.rejections[0].reason) == (
        "a.tar/link.txt",
        True,
    )
    assert "damaged" in read("a.tar.gz", gzip.compress(b"no archive")).rejection.reason
    assert "damaged" in read("a.zip", b"PK no archive").rejection.reason


def test_bombs_are_left_where_they_go_too_far(read) -> None:
    """What came before is kept."""
    found = read("a.zip", with_bomb(zipped({"a.txt": b"first"}), "b.txt", b"x", 200))
    assert [one.text for one in found.documents] == ["first"]
    assert "unpacks to more bytes" in found.rejections[0].reason


def test_what_may_be_unpacked_is_shared_by_all_within() -> None:
    """It grows with the size of the outermost file, and has an end."""
    assert allowed(10).bytes < allowed(2**24).bytes < allowed(2**40).bytes == allowed(2**50).bytes
    left = Allowance(2, 10)
    left.take(members=2, bytes=10)
    with pytest.raises(Unreadable, match="more bytes"):
        left.take(bytes=1)
    with pytest.raises(Unreadable, match="more files"):
        Allowance(0, 1).take(members=1)


def test_images_within_are_kept(read) -> None:
    """They are gone from the temporary folder when they are decoded, so their bytes come along."""
    image = FILES["b.png"] + b"more"
    found = read("a.zip", zipped({"b.png": image}), Fields(pictures=True))
    (item,) = [step.item for step in found.reads]
    assert isinstance(item, Illustrated)
    assert (item.document.id, item.image) == ("a.zip/b.png", image)
