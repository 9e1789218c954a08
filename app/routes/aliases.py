"""Other names of collections: list, show, set, delete."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.routing.requests import BoundedRoute, ServiceNeeded
from app.schemas.aliases import AliasBody, AliasesView, AliasView, PointedView
from indexer.aliases import missing

router = APIRouter(tags=["collections"], route_class=BoundedRoute)

Alias = Annotated[str, Path(alias="alias", description="An alias.")]


@router.get("/aliases")
async def list_aliases(service: ServiceNeeded) -> AliasesView:
    """All aliases, each with the collection that it names."""
    found = await service.reads.run(service.library.aliases)
    return AliasesView(
        aliases=[AliasView(name=name, collection=found[name]) for name in sorted(found)]
    )


@router.get("/aliases/{alias}")
async def get_alias(name: Alias, service: ServiceNeeded) -> AliasView:
    """The collection that an alias names."""
    found = await service.reads.run(service.library.aliases)
    if name not in found:
        raise missing(name, found)
    return AliasView(name=name, collection=found[name])


@router.put(
    "/aliases/{alias}",
    responses={HTTPStatus.CREATED: {"model": PointedView, "description": "It is made."}},
)
async def set_alias(
    name: Alias, body: AliasBody, service: ServiceNeeded, response: Response
) -> PointedView:
    """Let an alias name a collection from now on, in one step.

    It stands wherever a collection is named. Whoever asks by it meanwhile is answered by the
    collection before or by this one. The name of a collection is no alias (409).
    """
    before = await service.writes.run(service.library.point, name, body.collection)
    response.status_code = HTTPStatus.CREATED if before is None else HTTPStatus.OK
    return PointedView(name=name, collection=body.collection, before=before)


@router.delete("/aliases/{alias}", status_code=HTTPStatus.NO_CONTENT)
async def delete_alias(name: Alias, service: ServiceNeeded) -> None:
    """Delete an alias; the collection that it names stays."""
    await service.writes.run(service.library.unpoint, name)
