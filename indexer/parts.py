"""The parts of documents that a reader asks for; what it does not ask for is not read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from indexer.documents import Document
from indexer.errors import InvalidInput
from indexer.filters import Metadata

KEY: Final = "metadata."
"""Before the name of a single key of the metadata."""

_WHOLES: Final = frozenset({"text", "title", "passage", "metadata", "picture"})

CHOICES: Final = f"text, title, passage, metadata, {KEY}KEY for one key of it, and picture"


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of documents to be read: of the metadata those ``keys``, or all if they are None.

    ``passage`` is the text of the chunk that a document is found by.
    """

    text: bool = True
    title: bool = True
    passage: bool = True
    keys: frozenset[str] | None = None
    picture: bool = True

    def __or__(self, other: Parts) -> Parts:
        """The parts of both."""
        return Parts(
            self.text or other.text,
            self.title or other.title,
            self.passage or other.passage,
            None if self.keys is None or other.keys is None else self.keys | other.keys,
            self.picture or other.picture,
        )

    def metadata_of(self, metadata: Metadata) -> Metadata:
        """The part of some metadata that is to be read."""
        if self.keys is None:
            return metadata
        return {name: value for name, value in metadata.items() if name in self.keys}


WHOLE: Final = Parts()
PASSAGES: Final = Parts(text=False)
NO_PARTS: Final = Parts(text=False, title=False, passage=False, keys=frozenset(), picture=False)


def asked_parts(fields: Iterable[str] | None, *, passages_only: bool = False) -> Parts:
    """The parts with these names, or all if they are None; ``passages_only`` is all but the text.

    Raises InvalidInput for a name that is none of CHOICES.
    """
    if passages_only and fields is not None:
        raise InvalidInput("give one of: fields, passages_only")
    if fields is None:
        return PASSAGES if passages_only else WHOLE
    named = frozenset(fields)
    keys = frozenset(name.removeprefix(KEY) for name in named if name.startswith(KEY))
    unknown = sorted(name for name in named - _WHOLES if not name.startswith(KEY) or name == KEY)
    if unknown:
        raise InvalidInput(f"fields: {unknown[0][:80]!r} is none of: {CHOICES}")
    return Parts(
        "text" in named,
        "title" in named,
        "passage" in named,
        None if "metadata" in named else keys,
        "picture" in named,
    )


def parts_by_name(document: Document, parts: Parts) -> dict[str, Any]:
    """A document's id, and these parts of it but the passage."""
    named: dict[str, Any] = {"id": document.id}
    if parts.text:
        named["text"] = document.text
    if parts.title:
        named["title"] = document.title
    if parts.keys is None or parts.keys:
        named["metadata"] = parts.metadata_of(document.metadata)
    if parts.picture and document.picture is not None:
        named["picture"] = document.picture.plain
    return named
