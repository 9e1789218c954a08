"""The errors of a client.

::

    ClientError
    ├── Unreachable          no answer: the connection failed, or took too long
    └── Refused              an answer that says why not; has the status and the problem
        ├── InvalidRequest   400, 408, 413, 415, 422: the request cannot be met as it is
        ├── Unauthorised     401, 403: no key, or one that may not do this
        ├── NotFound         404: no such collection, document or route
        ├── Conflict         409: the state of things forbids it
        ├── Busy             429, 503: come back after ``retry_after_seconds``
        └── Faulty           any other 5xx: a fault in the service
"""

from __future__ import annotations

from typing import Final

import httpx2
from pydantic import ValidationError

from app.schemas.status import ProblemView


class ClientError(Exception):
    """The root of the tree: catch it to catch all that a client raises on purpose."""


class Unreachable(ClientError):
    """The service did not answer."""


class Refused(ClientError):
    """The service refused; ``problem`` is None if the answer came from something in between."""

    def __init__(self, message: str, status: int, problem: ProblemView | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem
        self.retry_after_seconds: float | None = None


class InvalidRequest(Refused):
    """The request cannot be met as it is."""


class Unauthorised(Refused):
    """No key was given, or one that may not do this."""


class NotFound(Refused):
    """There is no such collection, document or route."""


class Gone(Refused):
    """A picture is no longer where it was indexed."""


class Conflict(Refused):
    """The request is sound but the state of things forbids it."""


class Busy(Refused):
    """Too many requests are waiting, or the key has asked too often."""


class Faulty(Refused):
    """A fault in the service."""


KINDS: Final[dict[int, type[Refused]]] = {
    400: InvalidRequest,
    401: Unauthorised,
    403: Unauthorised,
    404: NotFound,
    408: InvalidRequest,
    409: Conflict,
    410: Gone,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: Busy,
    503: Busy,
}


def refusal_of(response: httpx2.Response) -> Refused:
    """The error for a response."""
    problem = _problem(response.content)
    detail = problem.detail if problem else response.text[:500]
    error = refusal(response.status_code, detail, problem)
    after = response.headers.get("retry-after", "")
    error.retry_after_seconds = float(after) if after.isdigit() else None
    return error


def refusal(status: int, detail: str, problem: ProblemView | None) -> Refused:
    """The error of a status."""
    kind = KINDS.get(status, Faulty if status >= 500 else Refused)
    return kind(f"{status}: {detail}", status, problem)


def _problem(content: bytes) -> ProblemView | None:
    try:
        return ProblemView.model_validate_json(content)
    except ValidationError:  # a proxy's page, or an error in the shape of another service
        return None
