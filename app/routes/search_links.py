"""Searches by GET, for links and simple clients: with a query as by POST, else a list."""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from app.routes.search import answers_to
from app.routing.limits import check_facets, check_length_of_page
from app.routing.parameters import filter_object, names_in, parse_filter_text
from app.routing.requests import BoundedRoute, CollectionName, ServiceNeeded
from app.schemas.listing import Direction, LinkParameters, ListingView
from app.schemas.search import SearchBody, SearchView
from indexer.errors import InvalidQuery
from indexer.facets import Count, Facets
from indexer.filters import parse_filter
from indexer.parts import asked_parts, parts_by_name

router = APIRouter(tags=["search"], route_class=BoundedRoute)


@router.get(
    "/search",
    response_model=SearchView | ListingView,
    responses={HTTPStatus.NOT_MODIFIED: {"description": "The client has this answer."}},
)
async def search_by_link(
    parameters: Annotated[LinkParameters, Query()],
    name: CollectionName,
    service: ServiceNeeded,
    request: Request,
) -> Response:
    """The answer that POST gives to a text, or a list of documents if there is none.

    A list has the newest documents first, or is ordered by `sort`; its hits have no scores. An
    answer may be kept, and asked for again by its `ETag`.
    """
    if parameters.is_list:
        return _respond(request, await _list(parameters, name, service))
    if parameters.sort is not None or parameters.order is not None:
        raise InvalidQuery("sort and order are of lists: with q, hits come by their scores")
    condition = filter_object(parameters.filter)
    parse_filter(condition)
    body = SearchBody.model_validate(
        {
            "query": parameters.q,
            "k": parameters.k,
            "filter": condition,
            "fields": names_in(parameters.fields),
            "passages_only": parameters.passages_only,
            "cursor": parameters.cursor,
            "facets": names_in(parameters.facets) or [],
            "facet_values": parameters.facet_values,
            **parameters.search_options,
        }
    )
    (answer,) = await answers_to([body], name, service, request)
    return _respond(request, answer)


async def _list(parameters: LinkParameters, name: str, service: ServiceNeeded) -> dict[str, Any]:
    more = next(iter(parameters.search_options), None)
    if more is not None:
        raise InvalidQuery(f"{more} is of searches: without q, documents are listed")
    check_length_of_page("k", parameters.k, service.settings)
    parts = asked_parts(names_in(parameters.fields), passages_only=parameters.passages_only)
    usual = Direction.DESCENDING if parameters.sort is None else Direction.ASCENDING
    condition, order = parse_filter_text(parameters.filter), parameters.to_order(usual)
    facets = tuple(dict.fromkeys(names_in(parameters.facets) or ()))
    check_facets(facets)
    count = Count(facets, parameters.facet_values)
    collection = await service.collection(name)

    def read() -> dict[str, Any]:
        page = collection.page(condition, parameters.cursor, parameters.k, order, count=count)
        counted = Facets(page.total or 0, page.facets)
        return {
            "hits": [parts_by_name(one, parts) for one in page.documents],
            "total": page.total,
            "unknown_fields": page.unknown_fields,
            "cursor": page.cursor,
            **({"facets": counted.plain} if facets else {}),
        }

    return await service.reads.run(read)


def _respond(request: Request, content: dict[str, Any]) -> Response:
    """The content, or 304 if the client has the same but for the time it took."""
    lasting = {name: value for name, value in content.items() if name != "took_ms"}
    tag = f'W/"{blake2b(orjson.dumps(lasting), digest_size=16).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(orjson.dumps(content), headers=headers, media_type="application/json")
