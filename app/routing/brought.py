"""The vectors that documents bring along in requests, and who may vouch for them."""

from __future__ import annotations

from http import HTTPStatus

import numpy as np
from starlette.types import Scope

from app.access.roles import Role
from app.http.problems import Problem
from app.middleware.security import caller_of
from app.schemas.documents import DocumentBody
from indexer.documents import BroughtVectors, Chunk
from indexer.errors import InvalidVector
from indexer.readers.reading import VectorTrust
from indexer.readers.vectors import is_fingerprint


def check_trust(trust: VectorTrust, scope: Scope) -> None:
    """Raise Problem (403) unless the caller may have vectors taken unchecked."""
    caller = caller_of(scope)
    if trust is VectorTrust.TRUSTED and not caller.role.covers(Role.ADMIN):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"the key {caller.name!r} may {caller.role}; vectors=trusted needs a key that may "
            f"{Role.ADMIN}: give the collection's fingerprint as each vector's model instead",
        )


def brought_by(body: DocumentBody, place: int, trust: VectorTrust) -> BroughtVectors | None:
    """The vectors that a document brings, if they are to be taken; raises InvalidVector."""
    given = [body.vector] if body.vector is not None else [one.vector for one in body.chunks or ()]
    if not given or trust is VectorTrust.IGNORED:
        return None
    where = f"documents[{place}].{'chunks' if body.chunks else 'vector'}"
    if not is_fingerprint(body.model) and (body.model or trust is not VectorTrust.TRUSTED):
        raise InvalidVector(f"{where}: {unvouched(body.model)}")
    if len({len(vector) for vector in given}) > 1:
        raise InvalidVector(f"{where}: the vectors are not all of one length")
    return BroughtVectors(
        np.array(given, dtype=np.float64), body.model, where, _passages(body), body.truncated
    )


def unvouched(model: object) -> str:
    """The reason why vectors are refused that are of no known model."""
    said = "nothing says" if model is None else f"{str(model)[:80]!r} does not say"
    return (
        f"{said} which model the vector is of: give the collection's `fingerprint`, as "
        "GET /collections/{collection} has it, as `model`; or leave the vector out to have the "
        "text embedded"
    )


def _passages(body: DocumentBody) -> tuple[Chunk, ...] | None:
    if body.chunks is None:
        return None
    return tuple(
        Chunk(position, one.start, one.end, one.unknown) for position, one in enumerate(body.chunks)
    )
