"""Files, folders and standard input."""

from __future__ import annotations

import gzip
import io
import os
import socket
from pathlib import Path

import pytest

from indexer.documents import Document
from indexer.errors import Unreadable
from indexer.readers import (
    Fields,
    Part,
    Rejection,
    check_paths,
    input_parts,
    known_formats,
    read_file,
    read_paths,
)


def write(path: Path, content: str = "text") -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_folders_in_order(folder: Path, read_all) -> None:
    """A folder is read with all below it, in the order of names; ids are paths as given."""
    for name in ("b.txt", "a/z.md", "a/b/c.txt", "A.txt", "c/.keep"):
        write(folder / "docs" / name)
    found = read_all("docs")
    ids = ["docs/A.txt", "docs/a/b/c.txt", "docs/a/z.md", "docs/b.txt"]
    assert [d.id for d in found.documents] == ids
    assert not found.rejections
    assert [d.id for d in read_all("./docs/").documents] == ids
    absolute = read_all(str(folder / "docs")).documents[0].id
    assert absolute == (folder / "docs/A.txt").as_posix()


def test_short_names_begin_with_the_last_part_of_a_path(folder: Path) -> None:
    """Of a folder with its own name, of a file with the file's, wherever they are."""
    write(folder / "docs" / "a" / "b.txt")
    write(folder / "docs" / "c.jsonl", '{"text": "a record"}')
    for given in (str(folder / "docs"), "docs", f"{folder}/docs/"):
        found = [read.item for read in read_paths([given], short=True)]
        ids = [one.id for one in found if isinstance(one, Document)]
        assert ids == ["docs/a/b.txt", "docs/c.jsonl:1"]
    (read,) = read_paths([str(folder / "docs" / "a" / "b.txt")], short=True)
    assert isinstance(read.item, Document) and read.item.id == "b.txt"


def test_hidden_files(folder: Path, read_all) -> None:
    """Hidden files and folders are passed over, unless named themselves."""
    write(folder / "docs/.git/a.txt")
    write(folder / "docs/.b.txt")
    assert read_all("docs").reads == []
    assert [d.id for d in read_all("docs/.b.txt", "docs/.git").documents] == [
        "docs/.b.txt",
        "docs/.git/a.txt",
    ]


def test_unknown_formats(folder: Path, read_all) -> None:
    """A file of no known format is rejected, in folders too."""
    write(folder / "docs/a.bin")
    write(folder / "docs/program", "\x7fELF\x00")
    found = read_all("docs")
    assert [r.place for r in found.rejections] == ["docs/a.bin", "docs/program"]
    assert "unknown format '.bin'" in found.rejections[0].reason
    assert found.rejections[1].reason == "a program, which is not read"


@pytest.mark.parametrize("name", ["LICENSE", "boot.log", "a.txt.gz", "page", "b.html.gz", "c.log"])
def test_names_that_tell_little(folder: Path, read_all, name: str) -> None:
    """Files without a suffix, logs and packed files of every format are read by what they hold."""
    text = "<html><p>Flux capacitor</p>" if name in ("page", "b.html.gz") else "Flux capacitor"
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(("gz", "page")) else data)
    assert read_all(name).document.text == "Flux capacitor"


def test_large_packed_page(folder: Path, read_all) -> None:
    """A packed page is read in a process of its own, whatever its packed size."""
    page = "<html><body>" + "<p>word</p>" * 100_000
    (folder / "a.html.gz").write_bytes(gzip.compress(page.encode()))
    assert read_all("a.html.gz").document.text.count("word") == 100_000


def test_records_in_a_log(folder: Path, read_all) -> None:
    """Lines of JSON that have a text are records, under the name of the text that is given."""
    line = '{"message": "Flux", "level": "info"}\n'
    write(folder / "a.log", line * 2)
    assert read_all("a.log").document.text == line * 2
    fields = Fields(text="message")
    assert [each.text for each in read_all("a.log", fields=fields).documents] == ["Flux", "Flux"]


def test_suffixes_in_any_case(folder: Path, read_all) -> None:
    """Suffixes are known in any case."""
    write(folder / "A.TXT")
    assert read_all("A.TXT").document.id == "A.TXT"


def test_missing_paths(folder: Path) -> None:
    """A path that is not there is wrong usage, told before anything is read."""
    write(folder / "a.txt")
    with pytest.raises(Unreadable, match="no such file or folder: 'b"):
        read_paths(["a.txt", "b.txt"])
    with pytest.raises(Unreadable, match="no input"):
        check_paths([])
    with pytest.raises(Unreadable, match="only once"):
        check_paths(["-", "a.txt", "-"])
    check_paths(["-", "a.txt", "."])


def test_links(folder: Path, read_all) -> None:
    """Links are followed, loops and repeated folders entered once, and broken links rejected."""
    write(folder / "docs/a.txt")
    (folder / "docs/loop").symlink_to(folder / "docs")
    (folder / "docs/z.txt").symlink_to(folder / "docs/a.txt")
    (folder / "docs/broken.txt").symlink_to(folder / "nowhere")
    found = read_all("docs")
    assert [d.id for d in found.documents] == ["docs/a.txt", "docs/z.txt"]
    assert [(r.place, r.reason) for r in found.rejections] == [
        ("docs/broken.txt", "a link that leads nowhere"),
        ("docs/loop", "a link to docs, which was read already"),
    ]


def test_special_files_are_never_opened(folder: Path, read_all) -> None:
    """Pipes, sockets and devices are rejected, not opened: nothing would ever come of it."""
    os.mkfifo("pipe.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.txt")
        found = read_all("pipe.txt", "socket.txt", "/dev/null")
    assert [r.reason.split(" is not")[0] for r in found.rejections] == [
        "a named pipe",
        "a socket",
        "a device",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files(folder: Path, read_all) -> None:
    """What may not be read is rejected, and the rest is read."""
    write(folder / "docs/a.txt").chmod(0)
    write(folder / "docs/b/c.txt").parent.chmod(0)
    write(folder / "docs/d.txt")
    found = read_all("docs")
    (folder / "docs/b").chmod(0o700)
    assert [d.id for d in found.documents] == ["docs/d.txt"]
    assert [r.place for r in found.rejections] == ["docs/a.txt", "docs/b"]


def test_file_that_vanishes(folder: Path) -> None:
    """A file that is gone by the time it is read is rejected."""
    write(folder / "docs/a.txt")
    write(folder / "docs/b.txt")
    reads = read_paths(["docs"])
    assert next(reads).item.id == "docs/a.txt"
    (folder / "docs/b.txt").unlink()
    assert next(reads).item.place == "docs/b.txt"


def test_names_that_are_no_text(folder: Path, read_all) -> None:
    """A name that is not UTF-8 is shown with its bytes, and its document has that id."""
    try:
        Path(os.fsdecode(b"caf\xe9.txt")).write_text("text")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert read_all(".").document.id == "caf\\xe9.txt"


def test_skipped_places(folder: Path, read_all) -> None:
    """What is to be skipped is passed over within folders."""
    write(folder / "docs/data/x.txt")
    write(folder / "docs/a.txt")
    skip = [Path("docs/data")]
    assert [r.item.id for r in read_paths(["docs"], skip=skip)] == ["docs/a.txt"]
    assert input_parts(["docs"], skip=skip) == [Part("plain text", 4)]


def test_totals_and_progress(folder: Path, read_all) -> None:
    """Progress never falls, and ends at the total over all paths."""
    write(folder / "docs/a.txt", "x" * 100)
    write(folder / "docs/b.jsonl", '{"text": "a"}\n{"text": "b"}\n')
    write(folder / "docs/c.bin", "x" * 50)
    write(folder / "d.csv", "text\na\nb\n")
    paths = ["docs", "d.csv"]
    steps = [read.consumed for read in read_all(*paths).reads]
    assert steps == sorted(steps)
    assert steps[-1] == sum(part.size for part in input_parts(paths) or []) == 100 + 28 + 9
    assert input_parts([*paths, "-"]) is None


def test_standard_input_among_files(folder: Path) -> None:
    """Standard input is read where it stands among the paths, and counted."""
    write(folder / "a.txt", "abc")
    write(folder / "b.txt", "def")
    stdin = io.BytesIO(b'{"_id": "s", "text": "t"}\n')
    reads = list(read_paths(["a.txt", "-", "b.txt"], stdin=stdin))
    assert [read.item.id for read in reads] == ["a.txt", "s", "b.txt"]
    assert [read.consumed for read in reads] == [3, 29, 32]


def test_a_file_under_another_name(folder: Path) -> None:
    """The name tells the format, and is what ids and places begin with; the path is not seen."""
    held = folder / "held"
    held.write_bytes(b'{"text": "x"}\nno json\n')
    document, rejection = (read.item for read in read_file(held, "shelf/rows.JSONL"))
    assert isinstance(document, Document)
    assert isinstance(rejection, Rejection)
    assert (document.id, rejection.place) == ("shelf/rows.JSONL:1", "shelf/rows.JSONL:2")
    (unknown,) = read_file(held, "held.bin")
    assert isinstance(unknown.item, Rejection)
    assert (unknown.item.place, unknown.consumed) == ("held.bin", held.stat().st_size)


def test_every_known_suffix_is_read(folder: Path) -> None:
    """Whatever suffix is told, packed ones included, leads to a reader."""
    held = folder / "held"
    held.write_bytes(b"\x00")
    suffixes = [suffix for _, found in known_formats() for suffix in found]
    assert len(set(suffixes)) == len(suffixes)
    for suffix in suffixes:
        reasons = [getattr(read.item, "reason", "") for read in read_file(held, f"a{suffix}")]
        assert not any("unknown format" in reason for reason in reasons)
