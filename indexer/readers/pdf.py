"""PDF: the text of all pages as one document; read in a process with limits.

A page that cannot be read is rejected by itself, and the document is made of the others. Its
metadata has ``pages`` (how many the file has) and ``author``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from indexer.errors import Unreadable
from indexer.readers.extracted import Extracted, read_extracted
from indexer.readers.isolation import Limits, Outcome, run_apart
from indexer.readers.reading import Fields, Read, Rejection
from indexer.readers.sources import Source

MAX_PDF_BYTES: Final = 512 * 2**20
LIMITS: Final = Limits()
EXTRACTOR: Final = Path(__file__).with_name("pdf_pages.py")


def read_pdf(source: Source, fields: Fields, limits: Limits = LIMITS) -> Iterator[Read]:  # noqa: ARG001
    """The one document of the file, after a rejection of each page that cannot be read."""
    if source.size > MAX_PDF_BYTES:
        raise Unreadable(f"larger than {MAX_PDF_BYTES:,} bytes, the largest PDF that is read")
    with source.opened() as opened:
        outcome = run_apart(EXTRACTOR, opened.file, limits)
    if not outcome.lines:
        raise Unreadable(f"PDF: {outcome.problem or 'it has no pages'}")
    facts, *pages = outcome.lines
    for place, reason in _problems(source.name, int(facts["pages"]), pages, outcome):
        yield source.gives(Rejection(place, reason), 0)
    texts = [page["text"].strip() for page in pages if "text" in page]
    if not any(texts):
        raise Unreadable("no page of it gives text: pages that are pictures need OCR first")
    metadata: dict[str, Any] = {"pages": facts["pages"]}
    if facts["author"]:
        metadata["author"] = facts["author"]
    found = Extracted("\n\n".join(filter(None, texts)), facts["title"], metadata)
    yield from read_extracted(source, "pdf", found)


def _problems(
    name: str, count: int, pages: list[Any], outcome: Outcome
) -> Iterator[tuple[str, str]]:
    """Places and reasons of the pages that could not be read, or were not reached."""
    for number, page in enumerate(pages, start=1):
        if "problem" in page:
            yield f"{name}:page {number}", page["problem"]
    if outcome.problem:
        first = len(pages) + 1
        through = f" to {count}" if first < count else ""
        yield (name if first > count else f"{name}:page {first}{through}"), outcome.problem
