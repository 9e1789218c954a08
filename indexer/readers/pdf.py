"""PDF: the text of all pages as one document; read in a process with limits.

A page that cannot be read, or shows a picture without text, is rejected by itself, and the document
is made of the others. A page whose text evidently differs from the page is reported too, but kept.
The document's metadata has ``pages`` (their number in the file), ``author``, and ``ocr_pages`` (the
number read by OCR). A form feed begins each page but the first, so that the page of a passage is
one more than the number of form feeds before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from indexer.errors import Unreadable
from indexer.readers.extracted import Extracted, read_extracted
from indexer.readers.isolation import Limits, Outcome, run_isolated
from indexer.readers.ocr import tessdata
from indexer.readers.reading import Fields, Read, Rejection
from indexer.readers.sources import Source

MAX_PDF_BYTES: Final = 512 * 2**20
LIMITS: Final = Limits()
OCR_SECONDS: Final = 60
"""The time for a page, in seconds; it usually takes one to five."""

MAX_STARTS: Final = 4
"""The number of times that reading continues after a page that ended its process."""

EXTRACTOR: Final = Path(__file__).with_name("pdf_pages.py")
PAGE_BREAK: Final = "\n\n\f"


def read_pdf(source: Source, fields: Fields, limits: Limits = LIMITS) -> Iterator[Read]:
    """The document of the file, after a rejection of each page that cannot be read."""
    with source.unpacked(MAX_PDF_BYTES) as file:
        outcome = _pages(file, limits, fields.ocr)
    if not outcome.lines:
        raise Unreadable(f"PDF: {outcome.problem or 'it has no pages'}")
    facts, *pages = outcome.lines
    problems = list(_problems(source.name, int(facts["pages"]), pages, outcome.problem))
    for place, reason in problems:
        yield source.gives(Rejection(place, reason), 0)
    texts = [page.get("text", "").strip() for page in pages]
    if any(texts):
        text = PAGE_BREAK.join(texts).rstrip()
        found = Extracted(text, facts["title"], _metadata(facts, pages))
        yield from read_extracted(source, "pdf", found)
    elif not problems:
        raise Unreadable("no page has text: pages that are pictures need OCR (--ocr)")


def _pages(file: BinaryIO, limits: Limits, ocr: str | None) -> Outcome:
    """The file's facts and its pages; a page that ends the process is skipped with its problem."""
    if ocr:
        count = OCR_SECONDS * 1_000
        limits = replace(limits, cpu_seconds=count, wall_seconds=count, step_seconds=OCR_SECONDS)
    lines: list[Mapping[str, Any]] = []
    for _ in range(MAX_STARTS):
        outcome = run_isolated(
            EXTRACTOR,
            file,
            limits,
            first=max(len(lines) - 1, 0),
            page_seconds=limits.step_seconds,
            ocr=(ocr, str(tessdata())) if ocr else None,
        )
        lines += outcome.lines[1 if lines else 0 :]
        if not outcome.died or not lines or len(lines) > lines[0]["pages"]:
            break
        lines.append({"problem": outcome.problem})
        if len(lines) > lines[0]["pages"]:
            return Outcome(tuple(lines), None)
    return Outcome(tuple(lines), outcome.problem)


def _problems(
    name: str, count: int, pages: list[Mapping[str, Any]], problem: str | None
) -> Iterator[tuple[str, str]]:
    """Places and reasons of the pages that could not be read, or were not reached."""
    for number, page in enumerate(pages, start=1):
        if "problem" in page:
            yield f"{name}:page {number}", page["problem"]
    if problem:
        first = len(pages) + 1
        through = f" to {count}" if first < count else ""
        yield (name if first > count else f"{name}:page {first}{through}"), problem


def _metadata(facts: Mapping[str, Any], pages: list[Mapping[str, Any]]) -> dict[str, Any]:
    recognised = sum("ocr" in page for page in pages)
    found = {"pages": facts["pages"], "author": facts["author"], "ocr_pages": recognised}
    return {name: value for name, value in found.items() if value}
