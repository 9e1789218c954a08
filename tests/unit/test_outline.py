"""Pages and headings of a text, told by the text itself."""

from __future__ import annotations

import pytest

from indexer.documents import Document
from indexer.outline import headings_of, page_of
from indexer.queries import Passage
from indexer.readers.manuscript import MAX_HEADINGS_BYTES, Manuscript, headings_metadata


def written() -> Manuscript:
    """Two pages with headings; the words of one heading stand in a paragraph before it, too."""
    made = Manuscript()
    made.paragraph("Foreword.")
    made.heading(1, "Methods")
    made.paragraph("Data\n\nis a line here.")
    made.heading(2, "Data")
    made.paragraph("We weighed it.")
    made.page()
    made.heading(1, "Results")
    made.paragraph("It was heavy.")
    return made


@pytest.mark.parametrize(
    ("words", "page", "headings"),
    [
        ("Foreword", 1, ()),
        ("Methods", 1, ("Methods",)),
        ("is a line", 1, ("Methods",)),
        ("We weighed", 1, ("Methods", "Data")),
        ("heavy", 2, ("Results",)),
    ],
)
def test_a_passage_knows_its_page_and_the_headings_above_it(words, page, headings) -> None:
    """They are those of its start; a heading opens the section that it names."""
    made = written()
    document = Document("d", made.text, None, made.metadata)
    start = made.text.index(words)
    passage = Passage.of(document, start, start + len(words))
    assert (passage.text, passage.page, passage.headings) == (words, page, headings)


def test_a_text_without_parts_has_no_page_and_no_headings() -> None:
    """Metadata that do not fit the text are passed over, whatever they hold."""
    for listed in (None, "Methods", 7, ["Methods", 3], [""]):
        assert headings_of("Methods are not told.\n\n", {"headings": listed}, 9) == ()
    assert page_of("One page.", {}, 4) is None
    assert page_of("One page.", {"pages": 1}, 4) == 1
    assert Passage.of(Document("d", "One page."), 0, 3).plain == {
        "text": "One",
        "start": 0,
        "end": 3,
    }


def test_the_deepest_headings_are_left_out_where_there_are_too_many() -> None:
    """What is listed stays true of each passage, only less exact."""
    headings = [(2 if n % 100 else 1, f"Heading {n}") for n in range(2_000)]
    listed = headings_metadata(headings)["headings"]
    assert listed == [f"Heading {n}" for n in range(0, 2_000, 100)]
    assert headings_metadata([(1, "x" * 100)] * (MAX_HEADINGS_BYTES // 100)) == {}
