"""The OpenAPI document as generators of clients read it: names of operations and schemas."""

from __future__ import annotations

import json
import re

import pytest
from starlette.testclient import TestClient

from app.schemas.naming import short_names


@pytest.fixture
def document(client: TestClient) -> str:
    """The document, as it is sent."""
    return client.get("/openapi.json").text


def test_names_are_words(document: str) -> None:
    """Schemas and operations are called by one or a few words, none by the module it stands in."""
    schemas = json.loads(document)["components"]["schemas"]
    assert [name for name in schemas if not re.fullmatch(r"([A-Z][A-Za-z0-9]*)", name)] == []
    assert {"DocumentView", "HitView", "CohereEmbedBody", "OpenAIEmbeddingView"} <= schemas.keys()
    paths = json.loads(document)["paths"].values()
    operations = [one["operationId"] for methods in paths for one in methods.values()]
    assert len(set(operations)) == len(operations)
    assert [name for name in operations if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name)] == []


def test_every_reference_leads_to_a_schema(document: str) -> None:
    """Wherever a schema is referred to, it is there; and each is referred to."""
    schemas = json.loads(document)["components"]["schemas"]
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', document))
    assert referred == schemas.keys()


def test_problems_are_a_schema(document: str) -> None:
    """Every route of our own says that what goes wrong is a ProblemView."""
    search = json.loads(document)["paths"]["/search"]["post"]["responses"]["default"]
    schema = search["content"]["application/problem+json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/ProblemView"}


def test_names_that_would_be_equal_stay_apart() -> None:
    """Two modules of ours with a class of one name keep theirs, in full; others are shortened."""
    given = ["app__schemas__a__View", "app__schemas__b__View", "app__routes__ollama__View", "Mode"]
    assert short_names(given) == {
        "app__schemas__a__View": "app__schemas__a__View",
        "app__schemas__b__View": "app__schemas__b__View",
        "app__routes__ollama__View": "OllamaView",
        "Mode": "Mode",
    }
