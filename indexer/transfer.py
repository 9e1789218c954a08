"""A collection from one engine into another: what was written to it, and what was learned of it.

Indexes and backgrounds of scores are derived, and made anew where they are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from indexer.documents import Document, EmbeddedDocument
from indexer.engine import Engine, EngineState, Kept, Key
from indexer.errors import Damaged
from indexer.origins import Origins
from indexer.pictures import PictureFiles
from indexer.reports import Step, Tell

BATCH: Final = 500
BATCH_BYTES: Final = 64 * 2**20
"""Bytes of pictures in a batch, at most; a single larger one is a batch of its own."""

_Page: TypeAlias = list[tuple[Key, Document]]

_COPIED: Final = (Kept.CALIBRATIONS, Kept.ADAPTER)


def copy_collection(source: Engine, target: Engine, tell: Tell) -> None:
    """Put one state of a collection into an empty one of the same model, in the same order."""
    with source.reading() as state:
        total, done = state.counts.documents, 0
        for batch in _batches(state):
            target.put(batch)
            done += len(batch)
            tell(Step("documents", done, total))
        if done != total:
            raise Damaged(f"{source.name!r} counts {total} documents, and has {done}: see verify")
        for what in _COPIED:
            kept = source.keeper(what).read(state.identity)
            if kept is not None:
                target.keeper(what).write(state.identity, kept.content)
    if judgements := source.judgements.read():
        target.judgements.fill(judgements, source.judgements.secret())
    _copy_origins(source.origins, target.origins)


def _copy_origins(source: Origins, target: Origins) -> None:
    for record in source.sources():
        target.keep(record)
        files = source.files(record.name)
        names = list(files)
        for start in range(0, len(names), BATCH):
            some = names[start : start + BATCH]
            claims = source.claims(record.name, some)
            target.note(record.name, claims, {name: files[name] for name in some})


def _batches(state: EngineState) -> Iterator[list[EmbeddedDocument]]:
    after = Key(0)
    while page := state.page(None, after, BATCH):
        for part in _parts(page):
            keys = [key for key, _ in part]
            vectors, truncated = state.vectors(keys), state.truncated(keys)
            files = _files(state, part)
            yield [
                EmbeddedDocument(
                    *(document, vectors[key].chunks, vectors[key].vectors, key in truncated),
                    files=files.get(key),
                )
                for key, document in part
            ]
        after = page[-1][0]


def _parts(page: _Page) -> Iterator[_Page]:
    """The documents of a page in order, with no more bytes of kept pictures than BATCH_BYTES."""
    part: _Page = []
    size = 0
    for key, document in page:
        picture = document.picture
        own = picture.bytes if picture is not None and picture.place is None else 0
        if part and size + own > BATCH_BYTES:
            yield part
            part, size = [], 0
        part.append((key, document))
        size += own
    yield part


def _files(state: EngineState, part: _Page) -> dict[Key, PictureFiles]:
    """The files of pictures that the collection keeps."""
    pictured = [key for key, document in part if document.picture is not None]
    if not pictured:
        return {}
    originals = state.originals(pictured)
    return {
        key: PictureFiles(thumbnail, originals.get(key))
        for key, thumbnail in state.thumbnails(pictured).items()
    }
