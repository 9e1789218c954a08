"""The table of routes, against the modules there are and what is served."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from fastapi import APIRouter
from starlette.testclient import TestClient

import app.routes
from app.routes import ROUTES
from app.routing.requests import COLLECTION_PREFIX


def routers() -> Iterator[APIRouter]:
    """The routers of all modules below app.routes."""
    for module in pkgutil.walk_packages(app.routes.__path__, "app.routes."):
        for value in vars(import_module(module.name)).values():
            if isinstance(value, APIRouter):
                yield value


def test_every_router_is_in_the_table() -> None:
    """A module whose routes nobody serves is an oversight."""
    assert {id(router) for router in routers()} == {id(resource.router) for resource in ROUTES}


def test_a_resource_is_served_where_its_row_says(client: TestClient) -> None:
    """Each is at its own paths; below a collection's are those that are by collection, alone."""
    paths = client.get("/openapi.json").json()["paths"]
    for resource in ROUTES:
        for route in resource.router.routes:
            if route.include_in_schema:
                assert route.path_format in paths
                assert (COLLECTION_PREFIX + route.path_format in paths) == resource.by_collection


def test_the_document_says_what_errors_are(client: TestClient) -> None:
    """Problems (RFC 9457) where a row says so; other protocols have their own."""
    paths = client.get("/openapi.json").json()["paths"]
    for resource in ROUTES:
        for route in resource.router.routes:
            for operation in paths.get(route.path_format, {}).values():
                content = operation["responses"]["default"]["content"]
                assert ("application/problem+json" in content) == resource.has_problems
