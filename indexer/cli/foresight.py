"""The changes that keeping folders in step would make, told by ``index --sync --dry-run``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

from indexer.cli import messages
from indexer.cli.options import ExitCode
from indexer.cli.rejects import ReasonCount, Reasons, reason_lines
from indexer.cli.sync import SyncOptions, refusal_text, unreadable_text
from indexer.cli.sync_place import elsewhere
from indexer.collection import Collection
from indexer.errors import NotFound
from indexer.ingestion.foresight import Foreseen, foresee, foresee_elsewhere
from indexer.ingestion.sync import Source
from indexer.library import Library
from indexer.sources.places import Place

IDS_SHOWN: Final = 20
MEMORY: Final = "memory:"
_MARKS: Final = {"new": "+", "changed": "~", "amended": "=", "deleted": "-"}


@dataclass(frozen=True, slots=True)
class ForeseenSources:
    """The changes that keeping sources in step would make."""

    collection: str
    sources: tuple[Foreseen, ...]
    reasons: tuple[ReasonCount, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Done, done with rejects, or failed if documents would have to go and would stay."""
        if any(one.refused for one in self.sources):
            return ExitCode.FAILED
        return ExitCode.REJECTED if self.reasons else ExitCode.DONE

    def figures(self) -> dict[str, Any]:
        """It all as a JSON object."""
        return {
            "collection": self.collection,
            "dry_run": True,
            "sources": [asdict(one) for one in self.sources],
            "reasons": [asdict(one) for one in self.reasons],
        }

    def show(self, as_json: bool) -> None:
        """Print it; what is rejected, and why nothing would be deleted, on standard error."""
        for line in reason_lines(self.reasons):
            messages.note(line)
        for one in self.sources:
            if one.unreadable:
                messages.note(unreadable_text(one.source, one.unreadable))
            if one.refused:
                messages.note(refusal_text(one.source, one.refused))
        if as_json:
            messages.say_json(self.figures())
            return
        for one in self.sources:
            for line in _lines(one):
                messages.say(line)


def foresee_sources(
    library: Library, name: str, sources: Sequence[Source], options: SyncOptions
) -> ForeseenSources:
    """The changes that keeping a collection in step with sources would make.

    One that is not there yet is foreseen by an empty one in memory, and that is said.
    """
    reasons = Reasons()
    found = []
    with _opened(library, name, options) as (there, collection):
        for source in sources:
            sync = options.sync(there, collection, source)
            filling = partial(there.filling, collection)
            found.append(foresee(sync, sync.plan(), filling, reasons.add))
    return ForeseenSources(name, tuple(found), reasons.counted())


def foresee_place(
    library: Library, name: str, place_of: Callable[[Collection], Place], options: SyncOptions
) -> ForeseenSources:
    """The changes that keeping a collection in step with a place elsewhere would make."""
    reasons = Reasons()
    with _opened(library, name, options) as (there, collection):
        place = place_of(collection)
        sync = elsewhere(options, there, collection, place)
        found = foresee_elsewhere(sync, partial(there.filling, collection), reasons.add)
    for line in place.notes:
        messages.note(line)
    return ForeseenSources(name, (found,), reasons.counted())


@contextmanager
def _opened(
    library: Library, name: str, options: SyncOptions
) -> Iterator[tuple[Library, Collection]]:
    """A collection with its library: an empty one in memory where it is not there yet."""
    with ExitStack() as opened:
        try:
            collection = library.open(name)
        except NotFound:
            messages.note(f"there is no collection {name!r} yet: it would be made")
            library = opened.enter_context(Library(replace(library.config, data=MEMORY)))
            collection = library.obtain(name, options.model, options.language)
        yield library, collection


def _lines(one: Foreseen) -> Iterator[str]:
    yield (
        f"{one.source}: {messages.counted(one.files, one.what)}, {one.read:,} to read, "
        f"{one.gone:,} gone"
    )
    for kind, mark in _MARKS.items():
        ids: tuple[str, ...] = getattr(one, kind)
        for id in ids[:IDS_SHOWN]:
            yield f"  {mark} {messages.printable(id)}"
        if len(ids) > IDS_SHOWN:
            yield f"  {mark} {len(ids) - IDS_SHOWN:,} more"
    yield (
        f"would be new: {len(one.new):,} (+), changed: {len(one.changed):,} (~), with new "
        f"metadata only: {len(one.amended):,} (=), deleted: {len(one.deleted):,} (-); vectors that "
        f"are stored already: {one.reused:,}. Nothing was written."
    )
