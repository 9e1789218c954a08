"""Word files, made by python-docx."""

from __future__ import annotations

import io
import zipfile

import docx
import pytest
from bombs import with_bomb
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from indexer.errors import Unreadable
from indexer.queries import Passage
from indexer.readers.extracted import require


def saved(made: docx.document.Document) -> bytes:
    """The bytes of a file."""
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def changed(data: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """The file with something replaced in a part of it; ``old`` must be there."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(out, "w") as made:
        for each in given.namelist():
            part = given.read(each)
            assert each != name or old in part
            made.writestr(each, part.replace(old, new) if each == name else part)
    return out.getvalue()


@pytest.fixture(scope="module")
def report() -> bytes:
    """A report as people write them."""
    made = docx.Document()
    made.core_properties.title = "Not this"
    made.core_properties.author = "A. Uthor"
    made.add_heading("The Report", 0)
    made.add_paragraph("A first paragraph.")
    made.add_heading("Methods", 1)
    made.add_paragraph("one", style="List Bullet")
    made.add_paragraph("two", style="List Bullet")
    made.add_heading("Data", 2)
    table = made.add_table(2, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "A", "B"
    table.cell(1, 0).merge(table.cell(1, 1)).text = "both"
    made.add_heading("Results", 1)
    last = made.add_paragraph("It was ")
    for kind, words in (("ins", "<w:t>heavy</w:t>"), ("del", "<w:delText>light</w:delText>")):
        xml = f'<w:{kind} {nsdecls("w")} w:id="1" w:author="B"><w:r>{words}</w:r></w:{kind}>'
        last._p.append(parse_xml(xml))
    made.sections[0].header.paragraphs[0].text = "On every page"
    return saved(made)


def test_a_report_is_its_text_with_headings(read, report) -> None:
    """Lists, tables with merged cells and insertions are text; deletions and headers are not."""
    document = read("a.docx", report).document
    assert (document.id, document.title) == ("a.docx", "The Report")
    assert document.text == (
        "A first paragraph.\n\n\nMethods\n\none\ntwo\n\n\nData\n\nA\tB\nboth"
        "\n\n\nResults\n\nIt was heavy"
    )
    facts = {name: document.metadata[name] for name in ("format", "author", "headings")}
    headings = ["Methods", "Methods > Data", "Results"]
    assert facts == {"format": "docx", "author": "A. Uthor", "headings": headings}
    start = document.text.index("both")
    assert Passage.of(document, start, start + 4).headings == ("Methods", "Data")


def test_footnotes_stand_at_the_end(read, report) -> None:
    """A footnote's number stands in its place, its text at the end, without the link back."""
    reference = b'<w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
    body = changed(report, "word/document.xml", b"A first paragraph.</w:t></w:r></w:p>",
                   b"A first paragraph.</w:t></w:r>" + reference)  # fmt: skip
    relation = (
        b'<Relationship Id="rIdF" Target="footnotes.xml" Type="http://schemas.openxmlformats.org/'
        b'officeDocument/2006/relationships/footnotes"/></Relationships>'
    )
    body = changed(body, "word/_rels/document.xml.rels", b"</Relationships>", relation)
    notes = (
        '<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        '<w:footnote w:id="2"><w:p><w:r><w:t>A note below.</w:t></w:r></w:p></w:footnote>'
        "</w:footnotes>"
    )
    out = io.BytesIO(body)
    with zipfile.ZipFile(out, "a") as package:
        package.writestr("word/footnotes.xml", notes)
    text = read("a.docx", out.getvalue()).document.text
    assert text.startswith("A first paragraph.[1]\n")
    assert text.endswith("\n\nA note below.")


def test_the_title_is_that_of_the_properties_if_no_paragraph_is_one(read) -> None:
    """Without either it is the first heading."""
    made = docx.Document()
    made.add_heading("Start", 1)
    made.add_paragraph("Text.")
    assert read("a.docx", saved(made)).document.title == "Start"
    made.core_properties.title = "From the properties"
    document = read("a.docx", saved(made)).document
    assert (document.title, document.text) == ("From the properties", "Start\n\nText.")


OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04 damaged", "damaged: File is not a zip file"),
        (b"%PDF-1.7", "another format, or damaged"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image, which is not read"),
        (OLD, "save it as .docx"),
        (OLD + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
    ],
    ids=["damaged", "pdf", "png", "old", "encrypted"],
)
def test_what_is_no_word_file_is_named(read, content, reason) -> None:
    """The reason says what it is instead."""
    assert reason in read("a.docx", content).rejection.reason


def test_an_old_word_file_is_told_and_one_that_is_a_text_is_read(read) -> None:
    """What is called .doc may be anything."""
    assert "save it as .docx" in read("a.doc", OLD).rejection.reason
    assert read("a.doc", "<html><h1>T</h1><p>Saved as HTML.").document.title == "T"


def test_bombs_and_entities_end_the_file_alone(read, report) -> None:
    """Memory is bounded, nothing is expanded without end, nothing is fetched."""
    bomb = with_bomb(report, "word/document.xml", b"<a>")
    assert "unpacks to more than" in read("a.docx", bomb).rejection.reason
    laughs = b'<!DOCTYPE w [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, (b"&a%d;" % (n - 1) if n else b"&a;") * 10) for n in range(9)
    )
    for entity in (laughs, b'<!DOCTYPE w [<!ENTITY a8 SYSTEM "file:///etc/hostname">'):
        hostile = changed(report, "word/document.xml", b"<w:document ", entity + b"]><w:document ")
        hostile = changed(hostile, "word/document.xml", b"A first", b"&a8;")
        found = read("a.docx", hostile)
        assert found.rejections or "A first" not in found.document.text


def test_without_its_extra_a_file_is_rejected_with_the_command_that_adds_it() -> None:
    """Each file says so, and the run goes on."""
    with pytest.raises(Unreadable, match=r"not_there is not installed: .*\[office\]"):
        require("not_there", "office")
