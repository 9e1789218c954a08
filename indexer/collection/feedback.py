"""The judgements of a collection's users: what they found, in the form that training reads."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from indexer.engine import Engine
from indexer.errors import NotFound

Line: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A document for a query: relevant or not, clicked, or the place of a click.

    Exactly one of the three is given.
    """

    query: str
    id: str
    relevant: bool | None = None
    clicked: bool | None = None
    rank: int | None = None

    @property
    def verdict(self) -> Line:
        """The one that is given, by its name."""
        told = {"relevant": self.relevant, "clicked": self.clicked, "rank": self.rank}
        return {name: value for name, value in told.items() if value is not None}


class Feedback:
    """Judgements kept beside a collection, the newest of them. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, judgement: Judgement, *, most: int, hashed: bool = False) -> None:
        """Keep a judgement; beyond ``most`` the oldest go.

        With ``hashed`` the query's text is replaced by a hash, salted with what only this
        collection has. Raises NotFound for a document that is not there.
        """
        lines = self._engine.judgements
        if not self._existing([judgement.id]):
            raise NotFound(f"there is no document {judgement.id!r} in {self._engine.name!r}")
        if hashed:
            digest = hmac.new(lines.secret(), judgement.query.strip().encode(), hashlib.sha256)
            query = {"query_id": digest.hexdigest()}
        else:
            query = {"query": judgement.query}
        line = {**query, "id": judgement.id, **judgement.verdict}
        lines.append(json.dumps(line, ensure_ascii=False).encode(), most)

    def read(self) -> list[Line]:
        """The judgements of documents that exist, each ``{"query", "id", "relevant"}``.

        Instead of ``relevant`` there may be ``clicked`` or ``rank``, and ``query_id`` instead of
        ``query`` where that was hashed. Of several on one query and document the last counts.
        """
        found: dict[tuple[object, str], Line] = {}
        for line in map(_parsed, self._engine.judgements.read()):
            if line is not None:
                key = (line.get("query_id"), line.get("query")), line["id"]
                found.pop(key, None)
                found[key] = line
        there = self._existing(sorted({id for _, id in found}))
        return [line for (_, id), line in found.items() if id in there]

    def clear(self) -> int:
        """Forget all judgements, also those of documents that are gone; return their number."""
        return self._engine.judgements.clear()

    def _existing(self, ids: list[str]) -> set[str]:
        with self._engine.reading() as state:
            return set(state.keys(ids))


def _parsed(line: bytes) -> Line | None:
    """A judgement; None for what a power cut has left of one."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("id"), str) else None
