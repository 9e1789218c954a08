"""Org (.org), of Emacs: the text with its headings, by orgparse.

Links are their descriptions; drawers, planning, comments and keywords are left out. The title is
that of ``#+TITLE``, whose kind of line also gives ``author`` and ``date``; tags are metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO, Final

from indexer.readers.decoding import decode
from indexer.readers.extracted import Extracted, read_guarded
from indexer.readers.manuscript import Manuscript, headings_metadata, without_title
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

FACTS: Final = ("author", "date", "language")
UNSHOWN: Final = ("#+", "# ")


def read_org(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the file."""
    yield from read_guarded(source, "org", extract, __file__)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The file, extracted in a separate process."""
    yield asdict(extract(file.read()))


def extract(data: bytes) -> Extracted:
    """The file's title, text, tags, author and date."""
    import orgparse

    decoded = decode(data)
    root = orgparse.loads(decoded.text)
    made = Manuscript()
    tags: set[str] = set()
    for node in root:
        if not node.is_root():
            made.heading(node.level, node.get_heading(format="plain"))
            tags.update(node.shallow_tags)
        made.paragraph(_shown(node.get_body(format="plain")))
    title = root.get_file_property("TITLE") or (made.headings[0][1] if made.headings else None)
    text, headings = without_title(made.text, made.headings, title)
    facts: dict[str, Any] = {name: root.get_file_property(name.upper()) for name in FACTS}
    facts["tags"] = sorted(tags)
    known = {name: value for name, value in facts.items() if value}
    return Extracted(text, title, {**decoded.metadata, **known, **headings_metadata(headings)})


def _shown(body: str) -> str:
    """A body without keywords and comments; code as it is."""
    lines = (line for line in body.split("\n") if not line.lstrip().startswith(UNSHOWN))
    return "\n".join(lines)
