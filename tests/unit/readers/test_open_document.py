"""OpenDocument files, made by odfdo."""

from __future__ import annotations

import io

import odfdo
import pytest
from bombs import with_bomb

from indexer.queries import Passage


def saved(made: odfdo.Document) -> bytes:
    """The bytes of a file."""
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


@pytest.fixture(scope="module")
def letter() -> bytes:
    """A text with what people put into one."""
    made = odfdo.Document("text")
    made.meta.title = "The letter"
    body = made.body
    body.clear()
    body.append(odfdo.Header(1, "Methods"))
    noted = odfdo.Paragraph("We did it")
    noted.insert_note(after="did", note_id="n1", citation="1", body="Twice.")
    noted.insert_annotation(after="We", body="Really?", creator="B")
    body.append(noted)
    body.append(odfdo.List(["a", "b"]))
    body.append(odfdo.Header(2, "Data"))
    table = odfdo.Table("T", width=2, height=2)
    table.set_value((0, 0), "A")
    table.set_value((1, 0), "B")
    table.set_value((1, 1), 3)
    body.append(table)
    body.append(odfdo.Paragraph("Two  spaces\tand a tab"))
    return saved(made)


def test_a_text_is_read_with_its_headings(read, letter) -> None:
    """Lists, tables and footnotes are text, comments are not."""
    document = read("a.odt", letter).document
    assert (document.id, document.title) == ("a.odt", "The letter")
    assert document.text == (
        "Methods\n\nWe did it\n\nTwice.\n\na\nb\n\n\nData\n\nA\tB\n\t3\n\nTwo  spaces\tand a tab"
    )
    assert document.metadata["format"] == "odf"
    assert document.metadata["headings"] == ["Methods", "Methods > Data"]


def test_slides_are_pages(read) -> None:
    """Each has its name as heading."""
    made = odfdo.Document("presentation")
    made.body.clear()
    for name in ("First", "Second"):
        page = odfdo.DrawPage(name, name=name)
        frame = odfdo.Frame.text_frame(
            f"On the {name}", size=("7cm", "5cm"), position=("1cm", "1cm")
        )
        page.append(frame)
        made.body.append(page)
    document = read("a.odp", saved(made)).document
    assert document.text == "First\n\nOn the First\n\n\fSecond\n\nOn the Second"
    assert document.metadata["slides"] == 2
    assert Passage.of(document, document.text.index("Second"), 9).page == 2


def test_what_cannot_be_read_is_refused(read, letter) -> None:
    """An encrypted file, a bomb, something else, XML nested without end."""
    assert "unpacks to more" in read("a.odt", with_bomb(letter, "content.xml")).rejection.reason
    assert "another format" in read("a.odt", b"text").rejection.reason
    assert "damaged" in read("a.odt", letter[:-50]).rejection.reason
    deep = with_bomb(letter, "content.xml", b"<a>" * 200_000 + b"</a>" * 200_000, 0)
    assert read("a.odt", deep).rejection
