"""Files of one document each, or of a few: the content extracted, and the documents made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from indexer.errors import BearingError, MissingExtra, Unreadable
from indexer.readers.isolation import Limits, run_isolated
from indexer.readers.reading import Read, Rejection
from indexer.readers.sources import Source

if TYPE_CHECKING:
    from indexer.documents import Document

MAX_TEXT_BYTES: Final = 64 * 2**20
"""The largest file that becomes one document."""

MAX_PACKAGE_BYTES: Final = 512 * 2**20
"""The largest file that is read in a process with limits, packed as it may be."""

MAX_TRUSTED_BYTES: Final = 256 * 2**10
"""Larger files of formats that can take very long to parse are read in a separate process."""


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Extracted:
    """The content of a file, without its markup.

    ``problems`` are parts of it that could not be read, by their place in the file. ``part`` names
    the part that this is of a file of several documents, such as a sheet.
    """

    text: str
    title: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    part: str | None = None


def read_extracted(source: Source, format: str, found: Extracted) -> Iterator[Read]:
    """The document, with the source's name as id; refused if there is no text in it.

    The id of a part of a file goes on with ``#`` and its name.

    A rejection for each part that could not be read comes first. Invalid metadata is such a part.
    """
    for part, reason in found.problems.items():
        yield source.gives(Rejection(f"{source.name}:{part}", reason), 0)
    item = _document(source, format, found)
    if isinstance(item, Rejection) and found.metadata:
        bare = _document(source, format, replace(found, metadata={}))
        if not isinstance(bare, Rejection):
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


def read_apart(
    source: Source,
    format: str,
    module: str,
    limits: Limits = LIMITS,
    **options: Any,  # noqa: ANN401 - options of the module's report
) -> Iterator[Read]:
    """The documents that ``report`` of a module's file finds in a process with limits.

    It yields the fields of :class:`Extracted`. What it found before it was stopped counts.
    """
    with source.unpacked(MAX_PACKAGE_BYTES) as file:
        outcome = run_isolated(Path(module), file, limits, **options)
    for line in outcome.lines:
        yield from read_extracted(source, format, Extracted(**line))
    if outcome.problem:
        raise Unreadable(outcome.problem)


def require(package: str, extra: str) -> None:
    """Raise Unreadable unless a package of an extra is installed."""
    if find_spec(package) is None:
        raise Unreadable(str(MissingExtra(package, extra)))


def _extract_apart(source: Source, module: Path) -> Extracted:
    with source.unpacked(MAX_TEXT_BYTES) as file:
        outcome = run_isolated(module, file, Limits())
    if outcome.problem or not outcome.lines:
        raise Unreadable(outcome.problem or "nothing was found in it")
    return Extracted(**outcome.lines[0])


def _document(source: Source, format: str, found: Extracted) -> Document | Rejection:
    from indexer.documents import Document

    id = source.name if found.part is None else f"{source.name}#{found.part}"
    if not found.text.strip():
        return Rejection(id, "no text in it")
    try:
        metadata = {"format": format, **found.metadata}
        return Document(id, found.text, found.title or None, metadata)
    except BearingError as error:
        return Rejection(id, str(error))
