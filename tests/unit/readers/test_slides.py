"""PowerPoint files, made by python-pptx."""

from __future__ import annotations

import io
import zipfile

import pptx
import pytest
from bombs import with_bomb

from indexer.queries import Passage


@pytest.fixture(scope="module")
def deck() -> bytes:
    """Three slides: the second has notes and is hidden, the last has no title."""
    made = pptx.Presentation()
    made.core_properties.title = "The deck"
    made.core_properties.author = "A. Uthor"
    first = made.slides.add_slide(made.slide_layouts[0])
    first.shapes.title.text, first.placeholders[1].text = "Hello\vyou", "A subtitle"
    second = made.slides.add_slide(made.slide_layouts[1])
    second.shapes.title.text, second.placeholders[1].text = "Points", "one\ntwo"
    box = second.shapes.add_group_shape().shapes.add_textbox(0, 0, 9, 9)
    box.text_frame.text = "in a group"
    table = second.shapes.add_table(1, 2, 0, 0, 9, 9).table
    table.cell(0, 0).text, table.cell(0, 1).text = "A", "B"
    second.notes_slide.notes_text_frame.text = "Say it slowly."
    second.element.set("show", "0")
    third = made.slides.add_slide(made.slide_layouts[6])
    third.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "The end."
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def test_slides_are_pages_of_one_document(read, deck) -> None:
    """Groups and tables are text, notes stand under their own heading."""
    document = read("d.pptx", deck).document
    assert (document.id, document.title) == ("d.pptx", "The deck")
    assert document.text == (
        "Hello you\n\nA subtitle\n\n\f"
        "Points\n\none\ntwo\n\nin a group\n\nA\tB\n\n\nNotes\n\nSay it slowly.\n\n\f"
        "Slide 3\n\nThe end."
    )
    facts = {name: document.metadata[name] for name in ("format", "author", "slides")}
    assert facts == {"format": "pptx", "author": "A. Uthor", "slides": 3}
    assert document.metadata["hidden_slides"] == 1
    start = document.text.index("Say it")
    passage = Passage.of(document, start, start + 3)
    assert (passage.page, passage.headings) == (2, ("Points", "Notes"))


def test_the_words_of_a_diagram_are_read(read, deck) -> None:
    """SmartArt keeps them in a part of its own."""
    out = io.BytesIO(deck)
    relation = (
        b'<Relationship Id="rIdD" Target="../diagrams/data1.xml" Type="http://schemas.openxmlformats'
        b'.org/officeDocument/2006/relationships/diagramData"/></Relationships>'
    )
    drawn = (
        b'<a xmlns="http://a"><p><r><t>Plan</t></r></p><p><r><t>D</t></r><r><t>o</t></r></p></a>'
    )
    made = io.BytesIO()
    with zipfile.ZipFile(out) as given, zipfile.ZipFile(made, "w") as package:
        for name in given.namelist():
            part = given.read(name)
            if name == "ppt/slides/_rels/slide1.xml.rels":
                part = part.replace(b"</Relationships>", relation)
            if name == "[Content_Types].xml":
                kind = b'<Override PartName="/ppt/diagrams/data1.xml" ContentType="a/b"/></Types>'
                part = part.replace(b"</Types>", kind)
            package.writestr(name, part)
        package.writestr("ppt/diagrams/data1.xml", drawn)
    text = read("d.pptx", made.getvalue()).document.text
    assert text.startswith("Hello you\n\nA subtitle\n\nPlan\nDo\n\n\f")


def test_a_deck_without_words_is_rejected(read) -> None:
    """The numbers of its slides are no text."""
    made = pptx.Presentation()
    made.slides.add_slide(made.slide_layouts[6])
    out = io.BytesIO()
    made.save(out)
    assert read("d.pptx", out.getvalue()).rejection.reason == "no text in it"


def test_damage_and_bombs_end_the_file_alone(read, deck) -> None:
    """With their reasons."""
    assert "unpacks to more" in read("d.pptx", with_bomb(deck, "ppt/a.xml")).rejection.reason
    assert "damaged" in read("d.pptx", deck[: len(deck) // 2]).rejection.reason
