"""PDF files."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import pytest
from bombs import stream_of
from pdf_files import joined, make_pdf, scanned
from pdf_files import page_content as content
from pypdf import PdfReader, PdfWriter

from indexer.errors import BearingError
from indexer.readers.isolation import Limits
from indexer.readers.ocr import check_ocr
from indexer.readers.pdf import read_pdf
from indexer.readers.reading import USUAL, Fields, Rejection
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
    assert (document.id, document.title, document.text) == ("a.pdf", "The title", "One.\n\n\fTwo.")
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
    assert [d.text for d in found.documents] == ["Good.\n\n\f\n\n\fGood."]
    assert found.documents[0].metadata["pages"] == 3
    assert [r.place for r in found.rejections] == ["a.pdf:page 2"]


def test_words_stay_apart(read) -> None:
    """Words that the file parts by place are words, whatever it says a space is wide.

    TeX's newer engines write such files; their width of character 32 is another glyph's.
    """
    line = b"BT /F1 12 Tf 72 720 Td [(The) -250 (installation) -250 (procedure)] TJ ET"
    wide = f"/FirstChar 32 /LastChar 122 /Widths [1500 {'556 ' * 90}]"
    assert read("a.pdf", make_pdf(line, font=wide)).document.text == "The installation procedure"


def test_hyphens_at_line_ends(read) -> None:
    """A hyphen at the end of a line stays, and so does the end of the line."""
    lines = b"BT /F1 12 Tf 14 TL 72 720 Td (differ con-) Tj T* (siderably) Tj ET"
    assert read("a.pdf", make_pdf(lines)).document.text == "differ con-\nsiderably"


def test_pages_can_be_told(read) -> None:
    """A form feed begins each page, also behind one that gives no text."""
    text = read("a.pdf", make_pdf(content("One."), b"", content("Three."))).document.text
    assert text[: text.index("Three")].count("\f") + 1 == 3


def test_a_scanned_page_that_bears_a_number_is_a_picture(read) -> None:
    """A stamp or a page number in print is no text of the page's."""
    stamped = scanned(make_pdf(content("Seen only.")), printed="- 17 -")
    named = scanned(make_pdf(content("Seen only.")), printed="Seal of Oslo")
    found = read("a.pdf", joined(make_pdf(content("Text.")), stamped, named))
    assert [each.place for each in found.rejections] == ["a.pdf:page 2"]
    (document,) = found.documents
    assert "Seal of Oslo" in document.text and "17" not in document.text


def test_pictures_among_text(read) -> None:
    """Of pages with text and pictures of text, each picture is a rejection that names its page."""
    picture = scanned(make_pdf(content("Seen only.")))
    found = read("a.pdf", joined(make_pdf(content("Text.")), picture, make_pdf(b""), picture))
    assert [document.text for document in found.documents] == ["Text."]
    assert [each.place for each in found.rejections] == ["a.pdf:page 2", "a.pdf:page 4"]
    assert all("picture" in each.reason and "OCR" in each.reason for each in found.rejections)


def test_drawing(read) -> None:
    """A page that only draws, as where letters are shapes, is rejected; a rule is nothing."""
    rule = b"0 0 m 100 100 l S"
    found = read("a.pdf", make_pdf(content("Text."), rule, b"\n".join([rule] * 60)))
    assert [each.place for each in found.rejections] == ["a.pdf:page 3"]


def test_text_that_is_wrong(read) -> None:
    """A page is reported whose glyphs the file does not name, or whose words run together."""
    unnamed = "/FontDescriptor << /Flags 4 >> /Encoding << /Differences [97 " + (
        " ".join(f"/g{number}" for number in range(26)) + "] >>"
    )
    found = read("a.pdf", make_pdf(content("nothing of this is known to be so"), font=unnamed))
    assert [each.place for each in found.rejections] == ["a.pdf:page 1"]
    assert "may be wrong" in found.rejections[0].reason
    together = content("Theinstallationprocedureofthismanualisnowheredescribed")
    found = read("b.pdf", make_pdf(content("Good."), together))
    assert [each.place for each in found.rejections] == ["b.pdf:page 2"]
    assert found.documents


def test_page_that_crashes_is_passed_over(read) -> None:
    """A page that ends the reading process is rejected, and the pages behind it are read."""
    twice = "/Filter [/FlateDecode /FlateDecode]"
    packed = [zlib.compress(zlib.compress(content(text), 9)) for text in ("One.", "Three.")]
    bomb = zlib.compress(stream_of(b"q " * 2**20, 400), 9)
    found = read("a.pdf", make_pdf(packed[0], bomb, packed[1], filter=twice))
    assert [each.text.split() for each in found.documents] == [["One.", "Three."]]
    assert [each.place for each in found.rejections] == ["a.pdf:page 2"]


def test_slow_page_is_passed_over(folder: Path) -> None:
    """A page that takes too much computing is given up, and the pages behind it are read."""
    slow = b"BT /F1 12 Tf 72 720 Td " + b"(x) Tj " * 1_500_000 + b" ET"
    data = make_pdf(content("One."), slow, content("Three."))
    (folder / "a.pdf").write_bytes(data)
    source = Source(Path("a.pdf"), "a.pdf", len(data))
    rejection, document = (
        read.item for read in read_pdf(source, USUAL, Limits(step_seconds=1, cpu_seconds=30))
    )
    assert rejection == Rejection("a.pdf:page 2", "given up after 1 s of computing")
    assert document.text.split() == ["One.", "Three."]


def test_hebrew_lines(read) -> None:
    """Words of a line from the right are in the order in which they are read, also among Latin."""
    names = " ".join(f"/afii{57664 + number}" for number in range(27))
    font = f"/Encoding << /Differences [97 {names}] >>"

    def drawn(text: str) -> str:
        return "".join(chr(ord(c) - 0x5D0 + 97) if c >= "\u05d0" else c for c in text)

    visual = "\u05dd\u05dc\u05d5\u05e2 42 \u05dd\u05d5\u05dc\u05e9"
    lines = f"BT /F1 12 Tf 24 TL 72 720 Td ({drawn(visual)}) Tj T* "
    lines += f"(ABC DEF GHI {drawn(visual)} JKL) Tj ET"
    logical = "\u05e9\u05dc\u05d5\u05dd 42 \u05e2\u05d5\u05dc\u05dd"
    document = read("a.pdf", make_pdf(lines.encode(), font=font)).document
    assert document.text == f"{logical}\nABC DEF GHI {logical} JKL"


def test_ocr(read) -> None:
    """Where it is asked for, the text of pictures is read, and told as such; other text is not."""
    try:
        check_ocr("eng")
    except BearingError as error:
        pytest.skip(str(error))
    picture = scanned(make_pdf(content("The flux capacitor needs a gigawatt.")))
    data = joined(make_pdf(content("Text.")), picture)
    document = read("a.pdf", data, Fields(ocr="eng")).document
    assert document.text == "Text.\n\n\fThe flux capacitor needs a gigawatt."
    assert document.metadata == {"format": "pdf", "pages": 2, "ocr_pages": 1}


def test_scanned(read) -> None:
    """A file whose pages have no text is rejected, with what could help."""
    assert "OCR" in read("a.pdf", make_pdf(b"0 0 m 100 100 l S")).rejection.reason


def test_encrypted_without_password(read) -> None:
    """A file that opens without a password is read."""
    found = read("a.pdf", encrypt(TWO_PAGES, "", "RC4-128"))
    assert found.document.text == "First page.\n\n\fSecond page."


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
    bomb = zlib.compress(stream_of(bytes(2**20), 200), 9)
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
