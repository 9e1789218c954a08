"""Whatever the OpenAPI document allows, forbids or leaves open is answered as it says.

Schemathesis makes requests from the whole document: boundary values of every parameter, bodies
that fit their schemas and bodies that do not, missing keys, methods that are not there, and chains
of requests that use each other's answers. Each answer is held against the document.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings, load_settings

KEY = "key-of-the-owner"
HEADERS = {"Authorization": f"Bearer {KEY}"}

LEAST_PATHS = 40
AT_BOUNDARIES = ["/collections/{collection}/search"]
NOT_CHECKED = {
    # A schema does not say that a vector must not be zero, or which models there are.
    "positive_data_acceptance": {"enabled": False},
}
MISTAKEN = {
    # `import`, `delete`, `files` and `export` are also ids, which may be got and deleted.
    ("documents/import", "AllowHeaderMismatch"),
    ("documents/delete", "AllowHeaderMismatch"),
    ("documents/files", "AllowHeaderMismatch"),
    ("documents/export", "AllowHeaderMismatch"),
    # So may `a/picture` and `a/thumbnail`.
    ("documents/{id}/picture", "AllowHeaderMismatch"),
    ("documents/{id}/thumbnail", "AllowHeaderMismatch"),
    # Its lines are judged one by one, in the answer's lines.
    ("documents/import", "AcceptedNegativeData"),
    # A file without content is one, and is rejected in the answer's lines.
    ("documents/files", "AcceptedNegativeData"),
}


@schemathesis.serializer("application/x-ndjson")
def as_lines(_context: object, value: object) -> bytes:
    """The body of an import: text as it is, anything else as a line of JSON."""
    return value.encode() if isinstance(value, str) else orjson.dumps(value)


@schemathesis.serializer("application/x-tar")
def as_archive(_context: object, value: object) -> bytes:
    """The body of a restore: whatever it is, hardly a backup."""
    return value if isinstance(value, bytes) else orjson.dumps(value)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of a service with a few documents, whose only key may do everything."""
    for name in [name for name in os.environ if name.startswith("BEARING_")]:
        monkeypatch.delenv(name)
    made = load_settings(
        data=tmp_path / "data",
        cache=tmp_path,
        model="hashing",
        api_keys=f"admin:{KEY}",
        audit_log="off",
    )
    documents = [
        {"id": str(n), "text": f"text {n}", "metadata": {"year": 2015 + n}} for n in range(10)
    ]
    with TestClient(create_app(made), headers=HEADERS) as client:
        assert client.put("/documents", json={"documents": documents}).is_success
    return made


def paths(document: dict[str, Any], twins: bool) -> list[str]:
    """Its paths; those of the default collection, which have twins of any collection, if wanted."""
    named = document["paths"]
    return [path for path in named if twins or f"/collections/{{collection}}{path}" not in named]


def run(
    settings: Settings, examples: int, tried: list[str], left_out: Sequence[str]
) -> Iterator[events.EngineEvent]:
    """What happens when so many examples of each kind are tried on each operation of paths."""
    config = SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "headers": HEADERS,
            "checks": NOT_CHECKED,
            "phases": {phase: {"enabled": False} for phase in left_out},
            "generation": {"deterministic": True, "max-examples": examples, "database": "none"},
        }
    )
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", create_app(settings), config=config, headers=HEADERS
    )
    yield from from_schema(schema.include(path=tried)).execute()


def complaints(event: events.EngineEvent) -> Iterator[str]:
    """What is wrong with an answer, each with the request as a command."""
    if isinstance(event, events.NonFatalError | events.FatalError):
        yield repr(event)
    if not isinstance(event, events.ScenarioFinished):
        return
    for checks in event.recorder.checks.values():
        for found in (check.failure_info for check in checks if check.failure_info):
            label, failure = event.recorder.label, found.failure
            kind = type(failure).__name__
            if not any(label.endswith(path) and kind == name for path, name in MISTAKEN):
                yield f"{label}: {failure.title}: {failure.message}\n{found.code_sample}"


def hold_against_document(
    settings: Settings, examples: int, chosen: list[str], left_out: Sequence[str] = ()
) -> None:
    """Raise AssertionError with all that is wrong, or if an operation was not tried."""
    wrong, tried = [], set()
    document = create_app(settings).openapi()
    for event in run(settings, examples, chosen, left_out):
        wrong += complaints(event)
        if isinstance(event, events.ScenarioFinished):
            tried.add(event.recorder.label)
    assert not wrong, "\n\n".join(dict.fromkeys(wrong))
    operations = {
        f"{method.upper()} {path}" for path in chosen for method in document["paths"][path]
    }
    assert operations
    assert operations <= tried


def test_every_answer_is_as_documented(settings: Settings) -> None:
    """No request makes the service fail, or answer what its document does not say.

    A route that is there for the default collection, too, is asked for a named one.
    """
    chosen = paths(create_app(settings).openapi(), twins=False)
    assert len(chosen) > LEAST_PATHS
    hold_against_document(settings, 1, chosen, left_out=["coverage"])


def test_every_answer_to_a_boundary_is_as_documented(settings: Settings) -> None:
    """Each value at an end of what is allowed, or beyond, each key that is missing, each method.

    Of the route that takes most; the long test does so with all.
    """
    others = ["examples", "fuzzing", "stateful"]
    hold_against_document(settings, 1, AT_BOUNDARIES, left_out=others)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_answer_is_as_documented_for_many_requests(settings: Settings) -> None:
    """The same with many more requests."""
    hold_against_document(settings, 100, paths(create_app(settings).openapi(), twins=True))
