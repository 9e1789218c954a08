"""PDF files."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import pytest
from pdf_files import make_pdf
from pdf_files import page_content as content
from pypdf import PdfReader, PdfWriter

from indexer.readers.isolation import Limits
from indexer.readers.pdf import read_pdf
from indexer.readers.reading import USUAL, Rejection
from indexer.readers.sources import Source


def encrypt(data: bytes, user_password: str, algorithm: str) -> bytes:
    """The PDF, encrypted."""
    writer = PdfWriter(PdfReader(io.BytesIO(data)))
    writer.encrypt(user_password, "owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


TWO_PAGES = make_pdf(content("First page."), content("Second page."))


def test_pages_are_one_document(read) -> None:
    """All pages are one document, with title, author and number of pages."""
    data = make_pdf(content("One."), content("Two."), info="/Title (The  title) /Author (A. Uthor)")
    document = read("a.pdf", data).document
    assert (document.id, document.title, document.text) == ("a.pdf", "The title", "One.\n\nTwo.")
    assert document.metadata == {"format": "pdf", "pages": 2, "author": "A. Uthor"}


def test_placeholder_title(read) -> None:
    """What programs write where no title was given is none."""
    data = make_pdf(content("One."), info="/Title (untitled) /Author (anonymous)")
    document = read("a.pdf", data).document
    assert document.title is None
    assert "author" not in document.metadata


def test_bad_page_is_rejected_alone(read) -> None:
    """A page that cannot be read is rejected by number; the document is made of the others."""
    good = zlib.compress(content("Good."))
    data = make_pdf(good, b"this is not deflated", good, filter="/Filter /FlateDecode")
    found = read("a.pdf", data)
    assert [d.text for d in found.documents] == ["Good.\n\nGood."]
    assert found.documents[0].metadata["pages"] == 3
    assert [r.place for r in found.rejections] == ["a.pdf:page 2"]


def test_scanned(read) -> None:
    """A file whose pages have no text is rejected, with what could help."""
    assert "OCR" in read("a.pdf", make_pdf(b"0 0 m 100 100 l S")).rejection.reason


def test_encrypted_without_password(read) -> None:
    """A file that opens without a password is read."""
    found = read("a.pdf", encrypt(TWO_PAGES, "", "RC4-128"))
    assert found.document.text == "First page.\n\nSecond page."


def test_encrypted_with_password(read) -> None:
    """A file that needs a password is rejected, saying so."""
    assert "password" in read("a.pdf", encrypt(TWO_PAGES, "secret", "RC4-128")).rejection.reason


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"no PDF at all", TWO_PAGES[:300]])
def test_not_a_pdf(read, data: bytes) -> None:
    """A file that is no PDF, or broken off, is rejected."""
    rejection = read("a.pdf", data).rejection
    assert rejection.place == "a.pdf"
    assert rejection.reason


def test_bomb(read) -> None:
    """A page that unpacks to gigabytes is rejected; the run goes on."""
    bomb = zlib.compress(zlib.compress(bytes(200 * 2**20), 9), 9)
    data = make_pdf(bomb, filter="/Filter [/FlateDecode /FlateDecode]")
    found = read("a.pdf", data)
    assert not found.documents
    assert found.rejections


def test_time_limit_keeps_what_was_read(folder: Path) -> None:
    """When the time is up, pages read so far are the document, and the others are named."""
    endless = b"BT /F1 12 Tf 72 720 Td " + b"(x) Tj " * 50_000 + b" ET"
    data = make_pdf(content("First."), *[endless] * 40)
    (folder / "a.pdf").write_bytes(data)
    source = Source(Path("a.pdf"), "a.pdf", len(data))
    rejection, document = (read.item for read in read_pdf(source, USUAL, Limits(cpu_seconds=1)))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == "stopped after 1 s of computing"
    assert rejection.place.startswith("a.pdf:page ")
    assert rejection.place.endswith(" to 41")
    assert document.text.startswith("First.")
