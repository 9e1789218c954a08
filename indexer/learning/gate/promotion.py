"""A model or map put in service, through the gate, and taken back.

A map serves from one moment to the next. A model moves the collection: its documents are embedded
beside the old vectors, which answer until the new ones replace them in one step, and are kept for a
way back. Nothing of either is searched before; killed at any moment, one or the other serves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from indexer.collection import Collection
from indexer.errors import InvalidInput, NotFound
from indexer.ingestion.reindex import Moved, reindex
from indexer.learning.evidence import JUDGED, SEEN, JudgedQueries, Seen, known_judgements
from indexer.learning.gate.attempts import note_attempt
from indexer.learning.gate.judgement import Decision, decide
from indexer.learning.gate.trial import try_maps, try_model
from indexer.learning.methods.adapter import MAP, read_folds, read_map
from indexer.learning.models import Models
from indexer.learning.trained import Figure, Trained, TrainedKind, Verdict
from indexer.library import Library

Tell = Callable[[str, int, int], None]
"""Gets the phase (trial, moving), the documents done, and their total."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Promoted:
    """The outcome: the verdict with its figures, and whether the candidate serves now.

    ``documents`` were embedded for it.
    """

    model: str
    collection: str
    serves: bool
    forced: bool
    verdict: Verdict
    figures: tuple[Figure, ...]
    documents: int = 0


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The model that serves again, and the map of its queries, None for none."""

    collection: str
    model: str
    adapter: str | None
    documents: int = 0


def promote(
    library: Library,
    models: Models,
    name: str,
    collection_name: str,
    *,
    judged: JudgedQueries | None = None,
    force: bool = False,
    tell: Tell = lambda *_: None,
) -> Promoted:
    """Judge a candidate, and let it serve if it passes or is forced.

    ``judged`` are queries to judge by; without them, those that were held out when it was trained.
    Raises NotFound, or InvalidInput for a map of another model's vectors.
    """
    trained = models.read(name)
    collection = library.open(collection_name)
    decision = _judge(library, models, trained, collection, judged, tell)
    models.amend(replace(trained, verdict=decision.verdict, figures=decision.figures))
    passed = decision.verdict.passed
    if not passed and force:
        _log.warning(
            "%s was promoted in %s by force, though the gate refused it: %s",
            name, collection_name, "; ".join(decision.verdict.reasons),
        )  # fmt: skip
    if not (passed or force):
        return Promoted(name, collection_name, False, False, decision.verdict, decision.figures)
    documents = _serve(library, models, trained, collection, not passed, tell)
    return Promoted(
        name, collection_name, True, not passed, decision.verdict, decision.figures, documents
    )


def roll_back(library: Library, collection_name: str, tell: Tell = lambda *_: None) -> RolledBack:
    """Take back the last promotion: of the map, if one serves, else of the model.

    At once for a map; for a model, only documents written since are embedded, as long as its
    vectors are kept. Raises NotFound if there is nothing to go back to: done again, it never
    returns to what was taken back.
    """
    collection = library.open(collection_name)
    if collection.adapter is not None or not collection.came_from:
        before = collection.adapt_as_before()
        return RolledBack(
            collection_name, collection.identity.name, before.name if before else None
        )
    embedder = library.model(collection.came_from)
    moved = reindex(collection, embedder, _moving(tell), keep=True)
    adapter = collection.adapter
    return RolledBack(
        collection_name, embedder.identity.name, adapter.name if adapter else None, moved.documents
    )


def serving(library: Library, models: Models) -> dict[str, list[str]]:
    """The collections that each trained model or map serves, by its name."""
    found: dict[str, list[str]] = {}
    for name in library.names():
        try:
            collection = library.open(name)
            adapter, model = collection.adapter, Path(collection.identity.name)
        except (NotFound, InvalidInput):
            continue
        if model.parent == models.folder.absolute():
            found.setdefault(model.name, []).append(name)
        if adapter is not None:
            found.setdefault(adapter.name, []).append(name)
    return found


def _judge(
    library: Library,
    models: Models,
    trained: Trained,
    collection: Collection,
    given: JudgedQueries | None,
    tell: Tell,
) -> Decision:
    folder = models.path(trained.name)
    judged = JudgedQueries.read(folder / JUDGED) if given is None else given
    known = known_judgements(collection, judged)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if trained.kind is TrainedKind.ADAPTER:
        _require_base(trained, collection)
    if not known.queries:
        reason = f"no query is judged by documents of {collection.name!r}"
        advice = "name judged queries by --judged FOLDER"
        return Decision(Verdict(False, (reason,), (advice,), 1, judged.digest, now), ())
    tried = note_attempt(models.folder, judged.digest, trained.digest)
    tell("trial", 0, len(known.queries))
    embedder = library.embedder(collection)
    if trained.kind is TrainedKind.ADAPTER:
        maps = [(one.adapter, one.seen) for one in read_folds(folder)]
        count = len(maps)
        if given is not None:
            maps, count = [(read_map(folder / MAP), Seen.read(folder / SEEN))], 1
        measured = try_maps(
            collection, embedder, known, maps, lambda text: trained.splitting.fold(text, count)
        )
    else:
        measured = try_model(
            collection,
            embedder,
            library.model(str(folder)),
            known,
            Seen.read(folder / SEEN),
            lambda done, total: tell("trial", done, total),
        )
    return decide(measured, tried, judged.digest, now)


def _serve(
    library: Library,
    models: Models,
    trained: Trained,
    collection: Collection,
    forced: bool,
    tell: Tell,
) -> int:
    folder = models.path(trained.name)
    if trained.kind is TrainedKind.ADAPTER:
        collection.adapt(replace(read_map(folder / MAP), name=trained.name, forced=forced))
        return 0
    candidate = library.model(str(folder))
    if collection.identity.made(candidate.identity.mark):
        return 0  # it serves already
    moved = reindex(
        collection,
        candidate,
        _moving(tell),
        before_switch=lambda: collection.move(candidate.identity, forced=forced),
        keep=True,
    )
    return moved.documents


def _moving(tell: Tell) -> Callable[[Moved], None]:
    return lambda moved: tell("moving", moved.documents, moved.total)


def _require_base(trained: Trained, collection: Collection) -> None:
    if not collection.identity.made(trained.base.mark):
        raise InvalidInput(
            f"{trained.name!r} maps vectors of {trained.base.model!r}, and {collection.name!r} has "
            f"those of {collection.identity.name!r}: train one for it"
        )


def sentences(verdict: Verdict) -> Sequence[str]:
    """A verdict in sentences: the case, the reasons to refuse, and the advice."""
    case = (verdict.case,) if verdict.case else ()
    return (*case, *verdict.reasons, *(f"what would help: {one}" for one in verdict.advice))
