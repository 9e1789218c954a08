"""Calibrations learned from judged queries, kept beside a collection by its engine.

The kept item holds the calibration of each kind of ranking, with a checksum. A calibration belongs
to one model, and to the adapter that maps its queries if one does. With another it is left out, and
the log says so unless there is one for that; the last of them are kept, for a way back.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, TypeAlias

from indexer.collection.adapters import mark_of
from indexer.embedding.adapter import Adapter
from indexer.embedding.embedder import Identity
from indexer.engine import Engine, Kept, KeptBytes
from indexer.errors import Damaged
from indexer.ranking.calibration import Calibration, Curve, Errors

_FORMAT: Final = 1

MOST: Final = 24
"""Calibrations that are kept, those of models and adapters that were left among them."""

_log = logging.getLogger(__name__)

_Known: TypeAlias = tuple[
    KeptBytes | None, tuple[Identity | None, Adapter | None], Mapping[str, Calibration]
]
"""The last reading: the item, the model and adapter it was read for, and what it holds."""


class Calibrations:
    """The calibrations of a collection, read again when they have changed."""

    def __init__(self, engine: Engine) -> None:
        self._name = engine.name
        self._keeper = engine.keeper(Kept.CALIBRATIONS)
        self._known: _Known = (None, (None, None), {})

    def of(self, identity: Identity, adapter: Adapter | None = None) -> Mapping[str, Calibration]:
        """The calibrations for a model and the adapter of its queries, by kind of ranking."""
        known = self._known
        kept = self._keeper.read(identity, known[0])
        of = identity, adapter
        if kept is not known[0] or identity is not known[1][0] or adapter is not known[1][1]:
            found = self._read(kept, mark_of(identity, adapter)) if kept else {}
            known = self._known = kept, of, found
        return known[2]

    def keep(
        self, calibration: Calibration, identity: Identity, adapter: Adapter | None = None
    ) -> None:
        """Replace the calibration of this kind of ranking, for this model and adapter."""
        mark = mark_of(identity, adapter)
        others = [
            one
            for one in self._all(self._keeper.read(identity))
            if (one.ranking, one.model) != (calibration.ranking, mark)
        ]
        kept = [*others, calibration][-MOST:]
        lines = json.dumps([asdict(one) for one in kept])
        digest = hashlib.sha256(lines.encode()).hexdigest()
        record = {"format": _FORMAT, "sha256": digest, "calibrations": lines}
        self._keeper.write(identity, json.dumps(record).encode())

    def rankings(self, identity: Identity) -> frozenset[str]:
        """The kinds of ranking that one is kept of, for whatever model and adapter."""
        return frozenset(one.ranking for one in self._all(self._keeper.read(identity)))

    def _read(self, kept: KeptBytes, model: str) -> Mapping[str, Calibration]:
        found = self._all(kept)
        own = {one.ranking: one for one in found if one.model == model}
        for ranking in dict.fromkeys(one.ranking for one in found if one.ranking not in own):
            _log.warning(
                "what was learned of %r for mode %s is of another model or adapter, and left "
                "out: calibrate again",
                self._name,
                ranking,
            )
        return own

    def _all(self, kept: KeptBytes | None) -> list[Calibration]:
        if kept is None:
            return []
        try:
            return _decode(kept.content)
        except (ValueError, TypeError, KeyError, Damaged) as error:
            _log.warning(
                "the calibrations of %r are damaged (%s): calibrate again", self._name, error
            )
            return []


def _decode(written: bytes) -> list[Calibration]:
    record = json.loads(written)
    lines = record["calibrations"]
    if record["format"] != _FORMAT or not isinstance(lines, str):
        raise Damaged(f"their format is unknown: {record['format']}")
    if hashlib.sha256(lines.encode()).hexdigest() != record["sha256"]:
        raise Damaged("they are not what was written")
    return [_calibration(one) for one in json.loads(lines)]


def _calibration(fields: dict[str, Any]) -> Calibration:
    curve = fields["curve"]
    curve |= {name: tuple(curve[name]) for name in ("knots", "values")}
    return Calibration(**{**fields, "curve": Curve(**curve), "errors": Errors(**fields["errors"])})
