"""Files that are one document each: the content extracted from one, and the document made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from indexer.documents import Document
from indexer.errors import BearingError, Unreadable
from indexer.readers.isolation import Limits, run_isolated
from indexer.readers.reading import Read, Rejection
from indexer.readers.sources import Source

MAX_TEXT_BYTES: Final = 64 * 2**20
"""The largest file that becomes one document."""

MAX_TRUSTED_BYTES: Final = 256 * 2**10
"""Larger files of formats that can take very long to parse are read in a separate process."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """The content of a file, without its markup.

    ``problems`` are parts of it that could not be read, by their place in the file.
    """

    text: str
    title: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def read_extracted(source: Source, format: str, found: Extracted) -> Iterator[Read]:
    """The document, with the source's name as id; refused if there is no text in it.

    A rejection for each part that could not be read comes first. Invalid metadata is such a part.
    """
    for part, reason in found.problems.items():
        yield source.gives(Rejection(f"{source.name}:{part}", reason), 0)
    item = _document(source, format, found)
    if isinstance(item, Rejection) and found.metadata:
        bare = _document(source, format, replace(found, metadata={}))
        if isinstance(bare, Document):
            yield source.gives(Rejection(f"{source.name}:metadata", item.reason), 0)
            item = bare
    yield source.gives(item)


def read_guarded(
    source: Source, format: str, extract: Callable[[bytes], Extracted], module: str
) -> Iterator[Read]:
    """The document that ``extract`` finds; a large file is left to a process with limits.

    ``module`` is the file that defines ``extract``.
    """
    if source.size <= MAX_TRUSTED_BYTES and not source.compressed:
        found = extract(source.content(MAX_TEXT_BYTES))
    else:
        found = _extract_apart(source, Path(module))
    yield from read_extracted(source, format, found)


def _extract_apart(source: Source, module: Path) -> Extracted:
    with source.unpacked(MAX_TEXT_BYTES) as file:
        outcome = run_isolated(module, file, Limits())
    if outcome.problem or not outcome.lines:
        raise Unreadable(outcome.problem or "nothing was found in it")
    return Extracted(**outcome.lines[0])


def _document(source: Source, format: str, found: Extracted) -> Document | Rejection:
    if not found.text.strip():
        return Rejection(source.name, "no text in it")
    try:
        metadata = {"format": format, **found.metadata}
        return Document(source.name, found.text, found.title or None, metadata)
    except BearingError as error:
        return Rejection(source.name, str(error))
