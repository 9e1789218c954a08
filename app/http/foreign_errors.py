"""Errors in the shapes that tools expect on the routes they know.

Everywhere else an error is a problem document (RFC 9457); these shapes are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from starlette.types import Scope

Problem: TypeAlias = Mapping[str, Any]

UNSOUND: Final = frozenset({400, 413, 415, 422})
"""Statuses of requests that are themselves at fault."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An error as it is sent; ``body`` is None for no body at all."""

    status: int
    body: Mapping[str, object] | None


Dialect: TypeAlias = Callable[[Problem], Reply]


def openai_error(problem: Problem) -> Reply:
    """``{"error": {"message", "type", "param", "code"}}``; a refused request is a 400.

    Clients of Jina and Voyage, who ask the same routes, look for ``detail``.
    """
    given = int(problem["status"])
    status = HTTPStatus.BAD_REQUEST if given in UNSOUND else HTTPStatus(given)
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    codes = {
        HTTPStatus.UNAUTHORIZED: "invalid_api_key",
        HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_exceeded",
        HTTPStatus.SERVICE_UNAVAILABLE: "overloaded",
    }
    is_unknown_model = str(problem["type"]).endswith(":not-found")
    error = {
        "message": problem["detail"],
        "type": "requests" if status == HTTPStatus.TOO_MANY_REQUESTS else kind,
        "param": _parameter(problem),
        "code": "model_not_found" if is_unknown_model else codes.get(status),
    }
    return Reply(status, {"error": error, "detail": problem["detail"]})


def _parameter(problem: Problem) -> str | None:
    """The field at fault."""
    complaints = problem.get("errors") or [{}]
    location = str(complaints[0].get("location", ""))
    return location.removeprefix("body.") if location.startswith("body.") else None


def inference_error(problem: Problem) -> Reply:
    """``{"error", "error_type"}`` with the statuses of text-embeddings-inference."""
    status, kind = _inference_kind(int(problem["status"]), str(problem["type"]))
    if status == HTTPStatus.UNAUTHORIZED:
        return Reply(status, None)
    return Reply(status, {"error": problem["detail"], "error_type": kind})


def _inference_kind(status: int, type_: str) -> tuple[int, str]:
    if status == HTTPStatus.BAD_REQUEST and type_ == "about:blank":
        return status, "Empty"
    if status in UNSOUND:
        return HTTPStatus.UNPROCESSABLE_ENTITY, "Validation"
    if status == HTTPStatus.TOO_MANY_REQUESTS or type_.endswith(":overloaded"):
        return HTTPStatus.TOO_MANY_REQUESTS, "Overloaded"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return HTTPStatus.FAILED_DEPENDENCY, "Backend"
    return status, "Validation"


def cohere_error(problem: Problem) -> Reply:
    """``{"id", "message"}``, and ``detail`` for Jina's and Voyage's; a refused request is a 400."""
    given = int(problem["status"])
    status = HTTPStatus.BAD_REQUEST if given in UNSOUND else given
    told = problem["detail"]
    return Reply(status, {"id": problem["request_id"], "message": told, "detail": told})


def ollama_error(problem: Problem) -> Reply:
    """``{"error"}``; a refused request is a 400."""
    given = int(problem["status"])
    status = HTTPStatus.BAD_REQUEST if given in UNSOUND else given
    return Reply(status, {"error": problem["detail"]})


DIALECTS: Final[Mapping[str, Dialect]] = {
    "/v1/rerank": cohere_error,
    "/v1/embed": cohere_error,
    "/v1/": openai_error,
    "/embeddings": openai_error,
    "/api/": ollama_error,
    "/tokenize": inference_error,
    "/v2/": cohere_error,
    "/embed": inference_error,
    "/similarity": inference_error,
    "/rerank": inference_error,
    "/info": inference_error,
}
"""The shape of errors by path; a path that ends with a slash covers all below it."""


def dialect_of(scope: Scope) -> Dialect | None:
    """The shape of errors on a request's route; None for problem documents."""
    path = route_path(scope)
    if path == "/" and scope["method"] == "POST":  # GET answers with a page
        return inference_error
    for known, dialect in DIALECTS.items():
        if path == known or (known.endswith("/") and path.startswith(known)):
            return dialect
    return None


def route_path(scope: Scope) -> str:
    """The path as routes know it, without the prefix a proxy serves the service under."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "").rstrip("/"))
