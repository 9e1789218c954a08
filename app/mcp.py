"""The same collections for assistants: a server of the Model Context Protocol.

Its tools only read. They are offered over HTTP by a route of the service, and over standard input
and output by ``bearing mcp``.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias

import anyio
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, Field, JsonValue, ValidationError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.routing.limits import check_page, check_searches
from app.schemas.base import Given, Returned
from app.schemas.documents import DocumentView, PageParameters
from app.schemas.listing import Direction, OrderParameters
from app.schemas.search import SearchBody
from app.serving.batching import Overloaded
from app.serving.service import Service
from app.settings import Settings
from indexer import installation
from indexer.documents import Document
from indexer.errors import BearingError, NotFound
from indexer.filters import parse_filter
from indexer.library import DEFAULT_COLLECTION, Library
from indexer.queries import Grade, Hit
from indexer.reports import Broken, Description

INSTRUCTIONS: Final = (
    "Searches collections of documents by meaning. Begin with list_collections if you do not know "
    "what there is; search with a question or a description in plain words; get_document gives the "
    "whole text of a hit."
)
FILTER: Final = (
    "Only documents whose metadata passes, with the operators $eq $ne $gt $gte $lt $lte $in $nin "
    '$exists $and $or $not: {"year": {"$gte": 2020}}. Dates and times are compared as such: '
    '{"published": {"$gte": "2024-03-01T00:00:00+02:00"}}.'
)
MOST_SHOWN: Final = 5
"""Pictures that go with one answer."""

READ_ONLY: Final = types.ToolAnnotations(
    read_only_hint=True, idempotent_hint=True, open_world_hint=False
)

# One line for each request, at a level that operators look at for what matters to them.
logging.getLogger("mcp.server.streamable_http_manager").setLevel(logging.WARNING)


class SearchInput(Given):
    """The query of a search, and its settings."""

    query: str = Field(description="A question, a description or a phrase, in plain words.")
    collection: str = Field(DEFAULT_COLLECTION, description="As list_collections names it.")
    k: int = Field(5, ge=1, le=100, description="How many documents.")
    filter: dict[str, JsonValue] | None = Field(None, description=FILTER)


class GetInput(Given):
    """The document to read."""

    id: str = Field(description="As a hit or list_documents names it.")
    collection: str = Field(DEFAULT_COLLECTION, description="As list_collections names it.")


class ListInput(Given):
    """The documents to list."""

    collection: str = Field(DEFAULT_COLLECTION, description="As list_collections names it.")
    filter: dict[str, JsonValue] | None = Field(None, description=FILTER)
    cursor: str | None = Field(None, description="Where the page before said to go on.")
    limit: int = Field(20, ge=1, le=100, description="How many documents.")
    sort: str | None = Field(
        None, min_length=1, description="A field of the metadata to order by, else by insertion."
    )
    order: Annotated[Direction, Field(strict=False)] = Field(
        Direction.ASCENDING, description="With descending and no sort, the newest come first."
    )


class NoInput(Given):
    """No input."""


class FoundView(Returned):
    """A document that answers the query; a larger score is closer."""

    id: str
    title: str | None
    score: float = Field(
        description="It orders the hits of this answer; larger is better, and says no more."
    )
    grade: Grade | None = Field(
        description="How likely it is relevant: strong, fair or weak; null where not known."
    )
    passage: str = Field(description="The part of its text that answers best.")
    page: int | None = Field(description="The page or slide of the passage; null without pages.")
    headings: list[str] = Field(description="The headings above the passage, the highest first.")
    metadata: dict[str, Any]
    unknown: bool = Field(description="Whether the model knows no word of the passage.")
    pictured: bool = Field(
        False, description="Whether it is a picture; the first ones are sent along, small."
    )

    @classmethod
    def of(cls, hit: Hit) -> FoundView:
        """The view of a hit."""
        document = hit.document
        return cls(
            id=document.id,
            title=document.title,
            score=round(hit.score, 4),
            grade=hit.grade,
            passage=hit.passage.text,
            page=hit.passage.page,
            headings=list(hit.passage.headings),
            metadata=dict(document.metadata),
            unknown=hit.unknown,
            pictured=document.picture is not None,
        )


class FoundsView(Returned):
    """Hits, best first."""

    hits: list[FoundView]
    significance: float | None = Field(
        description="The share of unrelated queries that find as near a document: of 0.05 and "
        "more, perhaps nothing here is about this. Null where it is not known."
    )
    truncated: bool = Field(description="Whether the end of the query was left out.")
    unknown_fields: list[str] = Field(description="Fields of the filter that no document has.")
    unknown: bool = Field(
        description="Whether the model knows no word of the query: then scores say nothing."
    )
    behind: bool = Field(
        False, description="Whether the newest changes may be missing: a standby answered."
    )


class OutlineView(Returned):
    """A document without its text."""

    id: str
    title: str | None
    characters: int
    metadata: dict[str, Any]

    @classmethod
    def of(cls, document: Document) -> OutlineView:
        """The view of a document."""
        return cls(
            id=document.id,
            title=document.title,
            characters=len(document.text),
            metadata=dict(document.metadata),
        )


class OutlinesView(Returned):
    """A page of documents in their order."""

    documents: list[OutlineView]
    cursor: str | None = Field(description="Where to go on; null at the end.")


class ShelfView(Returned):
    """A collection."""

    name: str
    documents: int
    model: str


class BrokenShelfView(Returned):
    """A collection that cannot be opened."""

    name: str
    error: str


class ShelvesView(Returned):
    """All collections; those that cannot be opened are listed apart."""

    collections: list[ShelfView]
    unreadable: list[BrokenShelfView]


async def search(given: SearchInput, service: Service) -> FoundsView:
    """The documents that answer best, each with its best passage."""
    body = SearchBody(  # type: ignore[call-arg]
        query=given.query, k=given.k, filter=given.filter, passages_only=True
    )
    check_searches([body], service.settings)
    (answer,) = (await service.search(given.collection, [body.to_query()])).answers
    return FoundsView(
        hits=[FoundView.of(hit) for hit in answer.hits],
        significance=answer.significance,
        truncated=answer.truncated,
        unknown_fields=list(answer.unknown_fields),
        unknown=answer.unknown,
        behind=answer.behind,
    )


async def get_document(given: GetInput, service: Service) -> DocumentView:
    """A document with its whole text."""
    collection = await service.collection(given.collection)
    (document,) = await service.reads.run(collection.get, [given.id])
    if document is None:
        raise NotFound(f"there is no document {given.id!r} in {given.collection!r}")
    return DocumentView.of(document)


async def list_documents(given: ListInput, service: Service) -> OutlinesView:
    """Documents without their texts, a page at a time."""
    check_page(PageParameters(limit=given.limit), service.settings)  # type: ignore[call-arg]
    collection = await service.collection(given.collection)
    condition = parse_filter(given.filter)
    order = OrderParameters(sort=given.sort, order=given.order).to_order()
    page = await service.reads.run(collection.page, condition, given.cursor, given.limit, order)
    return OutlinesView(
        documents=[OutlineView.of(one) for one in page.documents], cursor=page.cursor
    )


async def list_collections(_: NoInput, service: Service) -> ShelvesView:
    """The collections there are, with their sizes."""
    found = await service.reads.run(service.describe_all)
    return ShelvesView(
        collections=[
            ShelfView(name=one.name, documents=one.documents, model=one.model)
            for one in found
            if isinstance(one, Description)
        ],
        unreadable=[
            BrokenShelfView(name=one.name, error=str(one.error))
            for one in found
            if isinstance(one, Broken)
        ],
    )


Answer: TypeAlias = Callable[[Any, Service], Awaitable[BaseModel]]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its input, its output, the function that answers, and that of what it shows.

    ``shows`` gives the ids of documents whose pictures go with an answer.
    """

    title: str
    given: type[BaseModel]
    returned: type[BaseModel]
    answer: Answer
    shows: Callable[[Any], list[str]] = lambda _: []

    @property
    def name(self) -> str:
        """The name assistants call it by."""
        return self.answer.__name__

    def describe(self) -> types.Tool:
        """The description that assistants see."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.answer.__doc__,
            input_schema=self.given.model_json_schema(),
            output_schema=self.returned.model_json_schema(),
            annotations=READ_ONLY,
        )


def _pictured_hits(view: FoundsView) -> list[str]:
    return [hit.id for hit in view.hits if hit.pictured][:MOST_SHOWN]


def _pictured(view: DocumentView) -> list[str]:
    return [view.id] if view.picture is not None else []


TOOLS: Final[Sequence[Tool]] = (
    Tool("Search", SearchInput, FoundsView, search, _pictured_hits),
    Tool("Read a document", GetInput, DocumentView, get_document, _pictured),
    Tool("List documents", ListInput, OutlinesView, list_documents),
    Tool("List collections", NoInput, ShelvesView, list_collections),
)


def create_server(service: Service) -> Server[Any]:
    """The tools over a service."""
    tools = {tool.name: tool for tool in TOOLS}

    async def list_tools(
        _: ServerRequestContext[Any], _page: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool.describe() for tool in TOOLS])

    async def call_tool(
        _: ServerRequestContext[Any], called: types.CallToolRequestParams
    ) -> types.CallToolResult:
        if called.name not in tools:
            known = ", ".join(tools)
            raise MCPError(types.INVALID_PARAMS, f"no tool {called.name[:80]!r}; known: {known}")
        return await _call(tools[called.name], called.arguments or {}, service)

    return Server(
        "bearing",
        title="Bearing",
        version=installation.version(),
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def _call(tool: Tool, given: Mapping[str, Any], service: Service) -> types.CallToolResult:
    """The answer of a tool; an error that the assistant can correct is an answer too."""
    try:
        asked = tool.given.model_validate(given)
        view = await tool.answer(asked, service)
        pictures = await _pictures(asked, tool.shows(view), service)
    except ValidationError as error:
        return _refusal("; ".join(_complaint(one) for one in error.errors()))
    except (BearingError, Overloaded) as error:
        return _refusal(str(error))
    text = types.TextContent(type="text", text=view.model_dump_json())
    return types.CallToolResult(
        content=[text, *pictures], structured_content=view.model_dump(mode="json")
    )


async def _pictures(
    asked: Any,  # noqa: ANN401 - the input of one of the tools
    ids: Sequence[str],
    service: Service,
) -> list[types.ImageContent]:
    """The pictures of documents, small, in their order."""
    if not ids:
        return []
    collection = await service.collection(asked.collection)
    found = [await service.reads.run(collection.thumbnail, id) for id in ids]
    return [
        types.ImageContent(type="image", data=b64encode(one).decode(), mime_type="image/jpeg")
        for one in found
        if one is not None
    ]


def _complaint(error: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "arguments"
    return f"{place}: {error['msg']}"


def _refusal(message: str) -> types.CallToolResult:
    text = types.TextContent(type="text", text=message)
    return types.CallToolResult(content=[text], is_error=True)


class Handover(Response):
    """A request of the protocol over HTTP, answered by the protocol's own library.

    No session is kept, as no tool needs one, so any process may answer any request.
    """

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        manager = StreamableHTTPSessionManager(
            create_server(self._service),
            json_response=True,
            stateless=True,
            max_request_body_size=self._service.settings.max_body_bytes,
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)


def serve_stdio(settings: Settings) -> None:
    """Answer an assistant on standard input and output until it leaves.

    Raises the library's error if the data or the model cannot be opened.
    """
    anyio.run(_serve_stdio, settings)


async def _serve_stdio(settings: Settings) -> None:
    async with Service.opened(settings, Library) as service:
        server = create_server(service)
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
