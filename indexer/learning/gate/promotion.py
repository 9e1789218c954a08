"""A model or map put in service, through the gate, and taken back.

A map serves from one moment to the next. A model moves the collection: its documents are embedded
beside the old vectors, which answer until the new ones replace them in one step, and are kept for a
way back. Nothing of either is searched before; killed at any moment, one or the other serves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from indexer.collection import Collection
from indexer.documents import Vector
from indexer.embedding.embedder import Embedder, TextRole
from indexer.errors import InvalidInput, NotFound
from indexer.ingestion.reindex import Moved, reindex
from indexer.learning.evidence import JUDGED, SEEN, JudgedQueries, Seen, known_judgements
from indexer.learning.gate.attempts import note_attempt
from indexer.learning.gate.judgement import Decision, Tolerance, decide
from indexer.learning.gate.renewal import Renewal, renew_calibrations
from indexer.learning.gate.trial import Maps, try_distances, try_maps, try_model
from indexer.learning.methods.adapter import MAP, read_folds, read_map
from indexer.learning.models import Models
from indexer.learning.trained import Figure, Trained, TrainedKind, Verdict
from indexer.library import Library

MAPS: Final = frozenset({TrainedKind.ADAPTER, TrainedKind.DISTANCE})

Tell = Callable[[str, int, int], None]
"""Gets the phase (trial, moving), the documents done, and their total."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Promoted:
    """The outcome: the verdict with its figures, and whether the candidate serves now.

    ``documents`` were embedded for it; ``calibrations`` were renewed or dropped.
    """

    model: str
    collection: str
    serves: bool
    forced: bool
    verdict: Verdict
    figures: tuple[Figure, ...]
    documents: int = 0
    calibrations: Renewal = field(default_factory=Renewal)


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The model that serves again, and the map of its queries, None for none.

    ``calibrated`` are the kinds of ranking whose calibration serves again, too.
    """

    collection: str
    model: str
    adapter: str | None
    documents: int = 0
    calibrated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Judged:
    """A decision, and the queries it stands on, none if nothing may be learned from them.

    ``maps`` are those by which the queries of a candidate that is a map are to be asked.
    """

    decision: Decision
    queries: JudgedQueries
    maps: Maps | None = None


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
    found = _judge(library, models, trained, collection, judged, tell)
    decision = found.decision
    models.amend(replace(trained, verdict=decision.verdict, figures=decision.figures))
    passed = decision.verdict.passed
    if not passed and force:
        _log.warning(
            "%s was promoted in %s by force, though the gate refused it: %s",
            name, collection_name, "; ".join(decision.verdict.reasons),
        )  # fmt: skip
    if not (passed or force):
        return Promoted(name, collection_name, False, False, decision.verdict, decision.figures)
    calibrated = collection.calibrated
    documents = _serve(library, models, trained, collection, not passed, tell)
    return Promoted(
        name,
        collection_name,
        True,
        not passed,
        decision.verdict,
        decision.figures,
        documents,
        _renew(library, collection, calibrated, found, name),
    )


def roll_back(library: Library, collection_name: str, tell: Tell = lambda *_: None) -> RolledBack:
    """Take back the last promotion: of the map, if one serves, else of the model.

    At once for a map; for a model, only documents written since are embedded, as long as its
    vectors are kept. Raises NotFound if there is nothing to go back to: done again, it never
    returns to what was taken back. Raises InvalidInput, and changes nothing, if pictures are there
    now and the model before embeds texts only.
    """
    collection = library.open(collection_name)
    if collection.adapter is not None or not collection.came_from:
        collection.adapt_as_before()
        documents = 0
    else:
        embedder = library.model(collection.came_from, collection.identity.chunking)
        documents = reindex(collection, embedder, _moving(tell), keep=True).documents
    adapter = collection.adapter
    return RolledBack(
        collection_name,
        collection.identity.name,
        adapter.name if adapter else None,
        documents,
        tuple(sorted(collection.calibrations())),
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
) -> _Judged:
    folder = models.path(trained.name)
    judged = JudgedQueries.read(folder / JUDGED) if given is None else given
    known = known_judgements(collection, judged)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if trained.kind in MAPS:
        _require_base(trained, collection)
    if not known.queries:
        reason = f"no query is judged by documents of {collection.name!r}"
        advice = "name judged queries by --judged FOLDER"
        refused = Verdict(False, (reason,), (advice,), 1, judged.digest, now)
        return _Judged(Decision(refused, ()), known)
    tried = note_attempt(models.folder, judged.digest, trained.digest)
    tell("trial", 0, len(known.queries))

    def on_trial(done: int, total: int) -> None:
        tell("trial", done, total)

    embedder, maps = library.filling(collection), None
    if trained.kind is TrainedKind.ADAPTER:
        maps = _maps_of(trained, folder, whole=given is not None)
        measured = try_maps(collection, embedder, known, maps)
    elif trained.kind is TrainedKind.DISTANCE:
        tried_maps = _maps_of(trained, folder, whole=given is not None)
        measured = try_distances(collection, embedder, known, tried_maps, on_trial)
    else:
        measured = try_model(
            collection,
            embedder,
            library.model(str(folder), collection.identity.chunking),
            known,
            Seen.read(folder / SEEN),
            on_trial,
        )
    config = library.config
    tolerance = Tolerance(config.auc_tolerance, config.calibration_tolerance)
    decision = decide(measured, tried, judged.digest, now, tolerance)
    learned_from = measured.trained or (trained.kind is TrainedKind.DISTANCE and given is None)
    return _Judged(decision, JudgedQueries({}, {}) if learned_from else known, maps)


def _maps_of(trained: Trained, folder: Path, *, whole: bool) -> Maps:
    """The maps of the folds, each for the queries that it was fitted without, or the whole one."""
    if whole:
        return Maps([(read_map(folder / MAP), Seen.read(folder / SEEN))], lambda _: 0)
    folds = [(one.adapter, one.seen) for one in read_folds(folder)]
    return Maps(folds, lambda text: trained.splitting.fold(text, len(folds)))


def _renew(
    library: Library,
    collection: Collection,
    rankings: frozenset[str],
    judged: _Judged,
    name: str,
) -> Renewal:
    """Calibrate what was calibrated before, for what serves now."""
    if not rankings:
        return Renewal()
    embedder = library.embedder(collection)
    vectors = _vectors_of(judged.queries, embedder, judged.maps) if judged.maps else None
    return renew_calibrations(
        collection,
        embedder,
        library.reranker,
        rankings,
        judged.queries,
        vectors,
        f"promotion of {name}",
    )


def _vectors_of(queries: JudgedQueries, embedder: Embedder, maps: Maps) -> Mapping[str, Vector]:
    """The vector of each query by a map that was fitted without it, by the query's id."""
    texts = list(queries.queries.values())
    mapped = maps.apply(texts, embedder.embed(texts, TextRole.QUERY).vectors)
    return dict(zip(queries.queries, mapped, strict=True))


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
    candidate = library.model(str(folder), collection.identity.chunking)
    if collection.identity.made(candidate.identity.mark):
        return 0  # it serves already
    mapped = None
    if trained.kind is TrainedKind.DISTANCE and collection.identity.made(trained.base.mark):
        mapped = read_map(folder / MAP).apply
    moved = reindex(
        collection,
        candidate,
        _moving(tell),
        before_switch=lambda: collection.move(candidate.identity, forced=forced),
        keep=True,
        mapped=mapped,
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
    """A verdict in sentences: the case, what was let pass, the reasons to refuse, the advice."""
    case = (verdict.case,) if verdict.case else ()
    return (
        *case,
        *verdict.notes,
        *verdict.reasons,
        *(f"what would help: {one}" for one in verdict.advice),
    )


def calibration_sentences(renewal: Renewal) -> Iterator[str]:
    """The calibrations that were renewed or dropped, in sentences."""
    if renewal.calibrated:
        yield f"calibrated for it: {', '.join(renewal.calibrated)}"
    for ranking, reason in renewal.dropped.items():
        yield f"not calibrated any more: {ranking} ({reason}); bearing calibrate learns it anew"
