"""PowerPoint (.pptx): the text of all slides as one document, each a page, by python-pptx.

A slide's title is its heading, or ``Slide 3`` without one; below it come its text, tables, the
words of its diagrams and alternative texts, and the speaker's notes under a heading of their own.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from indexer.errors import Unreadable
from indexer.readers.extracted import Extracted, read_apart, require
from indexer.readers.manuscript import Manuscript
from indexer.readers.packages import check_package, local_name, parse_xml, properties
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

if TYPE_CHECKING:
    from pptx.slide import Slide

NOTES: Final = "Notes"
DIAGRAM: Final = "/diagramData"
"""The end of the relation of a slide to the words of a diagram (SmartArt)."""


def read_slides(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the file."""
    require("pptx", "office")
    check_package(source, "a PowerPoint file (.pptx)")
    yield from read_apart(source, "pptx", __file__)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The file, extracted."""
    from pptx.exc import PythonPptxError
    from pptx.package import Package

    title, facts = properties(file)
    try:
        package = Package.open(io.BytesIO(file.read()))
        slides = list(package.presentation_part.presentation.slides)
    except (PythonPptxError, KeyError, AttributeError) as error:
        raise Unreadable(f"not a PowerPoint file (.pptx), or damaged: {error}") from error
    made = Manuscript()
    for number, slide in enumerate(slides, start=1):
        if number > 1:
            made.page()
        _write(made, slide, number)
    hidden = sum(slide.element.get("show") == "0" for slide in slides)
    counts = {"slides": len(slides), **({"hidden_slides": hidden} if hidden else {})}
    has_text = any(_is_worded(slide) for slide in slides)
    text = made.text if has_text else ""
    yield asdict(Extracted(text, title, {**facts, **counts, **made.metadata}))


def _is_worded(slide: Slide) -> bool:
    """Return whether there is more on a slide than its number."""
    written = Manuscript()
    _write(written, slide, 0)
    return written.text != "Slide 0"


def _write(made: Manuscript, slide: Slide, number: int) -> None:
    title = slide.shapes.title
    words = title.text_frame.text if title is not None else ""
    made.heading(1, words if words.strip() else f"Slide {number}")
    for shape in slide.shapes:
        if title is None or shape.shape_id != title.shape_id:
            _write_shape(made, shape)
    for relation in slide.part.rels.values():
        if relation.reltype.endswith(DIAGRAM) and not relation.is_external:
            _write_lines(made, _diagram(relation.target_part.blob))
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        made.heading(2, NOTES)
        _write_lines(made, (each.text for each in notes.paragraphs))


def _write_shape(made: Manuscript, shape: Any) -> None:  # noqa: ANN401 - not typed by python-pptx
    from pptx.shapes.group import GroupShape

    if isinstance(shape, GroupShape):
        for each in shape.shapes:
            _write_shape(made, each)
    elif shape.has_text_frame:
        _write_lines(made, (each.text for each in shape.text_frame.paragraphs))
    elif getattr(shape, "has_table", False):
        rows = ([" ".join(cell.text.split()) for cell in row.cells] for row in shape.table.rows)
        _write_lines(made, ("\t".join(row) for row in rows))
    else:
        made.paragraph(" ".join(shape.element.xpath("./*/p:cNvPr/@descr")))


def _write_lines(made: Manuscript, lines: Iterable[str]) -> None:
    """Write a paragraph of these lines."""
    made.paragraph("\n".join(filter(None, (line.replace("\v", "\n").strip() for line in lines))))


def _diagram(data: bytes) -> Iterator[str]:
    for each in parse_xml(data).iter():
        if local_name(each) == "p":
            yield "".join(part.text or "" for part in each.iter() if local_name(part) == "t")
