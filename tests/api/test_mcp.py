"""The Model Context Protocol, spoken by its own library's client: over HTTP, and over pipes."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from PIL import Image
from starlette.testclient import TestClient

from app.client import Client as BearingClient
from indexer.config import Config
from indexer.documents import Document
from indexer.ingestion.changes import store
from indexer.library import Library

T = TypeVar("T")
Use = Callable[[Client], Awaitable[T]]

DOCUMENTS = [
    Document("a", "a cat", metadata={"year": 2020}),
    Document("b", "the moon", "On the moon", {"year": 2021}),
    Document("c", "a cat on the moon"),
]
TOOLS = {"search", "get_document", "list_documents", "list_collections"}


@asynccontextmanager
async def over_http(url: str, key: str | None = None, mode: str = "auto") -> AsyncIterator[Client]:
    """The protocol's client of a service, with a key."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.fixture
def url(listen: Callable[..., int]) -> str:
    """Where a service with three documents listens."""
    address = f"http://127.0.0.1:{listen()}"
    with BearingClient(address) as client:
        client.put(DOCUMENTS)
    return address


@pytest.fixture
def ask(url: str) -> Callable[..., dict]:
    """Calls a tool, and gives what it answers with."""

    def call(name: str, **arguments: object) -> dict:
        async def use() -> dict:
            async with over_http(url) as client:
                result = await client.call_tool(name, arguments)
            if result.is_error:
                return {"refused": result.content[0].text}
            return result.structured_content

        return asyncio.run(use())

    return call


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_assistant_finds_described_tools(url: str, mode: str) -> None:
    """By this protocol and the one before, each tool says what it takes, gives and leaves alone."""

    async def use() -> tuple[list, str | None]:
        async with over_http(url, mode=mode) as client:
            return (await client.list_tools()).tools, client.instructions

    tools, instructions = asyncio.run(use())
    assert {tool.name for tool in tools} == TOOLS
    assert "list_collections" in instructions
    for tool in tools:
        assert tool.description
        assert tool.annotations.read_only_hint
        assert tool.output_schema["type"] == tool.input_schema["type"] == "object"
        for field in tool.input_schema.get("properties", {}).values():
            assert field["description"]


def test_search_gives_passages_best_first(ask) -> None:
    """Hits have what an assistant needs to judge and to quote; filters narrow them."""
    answer = ask("search", query="a cat", k=2)
    assert [hit["id"] for hit in answer["hits"]] == ["a", "c"]
    assert answer["hits"][0]["passage"] == "a cat"
    assert answer["hits"][0]["score"] > answer["hits"][1]["score"]
    answer = ask("search", query="a cat", filter={"year": {"$gt": 2020}})
    assert [hit["title"] for hit in answer["hits"]] == ["On the moon"]
    assert answer["unknown_fields"] == [] and answer["unknown"] is False
    assert ask("search", query="?!")["unknown"] is True
    assert answer["significance"] is answer["hits"][0]["grade"] is None
    assert ask("search", query="a cat", filter={"yaer": 1})["unknown_fields"] == ["yaer"]


def test_a_document_is_read_whole(ask) -> None:
    """get_document gives the text, the title and the metadata."""
    assert ask("get_document", id="b") == {
        "id": "b", "text": "the moon", "title": "On the moon", "metadata": {"year": 2021},
    }  # fmt: skip


def test_pictures_go_with_answers(listen: Callable[..., int]) -> None:
    """A search shows its first pictures small, and get_document that of the document."""
    address = f"http://127.0.0.1:{listen(model='hashing-images')}"
    file = io.BytesIO()
    Image.new("RGB", (640, 400), (200, 30, 30)).save(file, "PNG")

    async def use() -> list[list]:
        async with over_http(address) as client:
            found = await client.call_tool("search", {"query": "red"})
            read = await client.call_tool("get_document", {"id": "p"})
            plain = await client.call_tool("get_document", {"id": "t"})
            return [found.content, read.content, plain.content]

    with BearingClient(address) as client:
        client.put([{"id": "p", "image": file.getvalue(), "text": "red"}, {"id": "t", "text": "a"}])
        assert client.picture("p") == file.getvalue()
        small = client.thumbnail("p")
    found, read, plain = asyncio.run(use())
    for content in (found, read):
        assert [one.type for one in content] == ["text", "image"]
        assert content[1].mime_type == "image/jpeg"
        assert base64.b64decode(content[1].data) == small
    assert [one.type for one in plain] == ["text"]


def test_documents_and_collections_are_listed(ask) -> None:
    """Lists go on where the page before ended."""
    first = ask("list_documents", limit=2)
    assert [one["id"] for one in first["documents"]] == ["a", "b"]
    rest = ask("list_documents", limit=2, cursor=first["cursor"])
    assert [one["id"] for one in rest["documents"]] == ["c"]
    assert rest["cursor"] is None
    (shelf,) = ask("list_collections")["collections"]
    assert shelf == {"name": "default", "documents": 3, "model": "hashing-256"}


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("search", {}, "query"),
        ("search", {"query": "x", "k": "3"}, "k"),
        ("search", {"query": "x", "limit": 3}, "known are query"),
        ("search", {"query": "x", "collection": "books"}, "books"),
        ("search", {"query": "x", "filter": {"$where": 1}}, "where"),
        ("search", {"query": "x" * 40_000}, "BEARING_MAX_QUERY_CHARACTERS"),
        ("get_document", {"id": "nowhere"}, "nowhere"),
        ("list_documents", {"cursor": "x"}, "cursor"),
    ],
)
def test_a_wrong_call_is_answered_with_what_to_mend(ask, name, arguments, complaint) -> None:
    """An error is told to the assistant, which can do better, and ends nothing."""
    assert complaint in ask(name, **arguments)["refused"]


def test_a_tool_that_is_not_there_is_an_error(url: str) -> None:
    """The refusal names the tools that are."""

    async def use() -> None:
        async with over_http(url) as client:
            await client.call_tool("drop_everything", {})

    with pytest.raises((MCPError, ExceptionGroup)) as refusal:
        asyncio.run(use())
    assert "list_collections" in str(unwrapped(refusal.value))


def unwrapped(error: BaseException) -> BaseException:
    """The first error of a group, however deep."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def test_a_key_is_needed_where_keys_are(listen) -> None:
    """With a key that may search an assistant is let in; without, or with another, not."""
    url = f"http://127.0.0.1:{listen(api_keys='reader:search:right')}"

    async def use(key: str | None) -> set[str]:
        async with over_http(url, key) as client:
            return {tool.name for tool in (await client.list_tools()).tools}

    for key in (None, "wrong"):
        with pytest.raises((MCPError, httpx2.HTTPError, ExceptionGroup)):
            asyncio.run(use(key))
    assert asyncio.run(use("right")) == TOOLS


def test_nothing_is_kept_open(client: TestClient) -> None:
    """Without sessions there is no stream to open and none to end."""
    for method in ("GET", "DELETE"):
        assert client.request(method, "/mcp").status_code == 405


def test_what_is_no_message_is_refused(client: TestClient) -> None:
    """A body that the protocol does not know is a 4xx."""
    for body in (b"", b"{", b"[]", b'{"jsonrpc": "2.0"}', b"\xff"):
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        response = client.post("/mcp", content=body, headers=headers)
        assert 400 <= response.status_code < 500, body


def test_an_assistant_searches_over_pipes(tmp_path: Path) -> None:
    """`bearing mcp` answers on standard input and output, from the data directory itself."""
    with Library(Config(data=tmp_path, cache=tmp_path, model="hashing")) as library:
        collection = library.create("default")
        store(collection, library.embedder(collection), DOCUMENTS)
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "app.cli", "mcp", "--data", str(tmp_path)],
        env=os.environ | {"BEARING_MODEL": "hashing", "BEARING_CACHE": str(tmp_path)},
    )

    async def use() -> dict:
        async with Client(stdio_client(server)) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
            return (await client.call_tool("search", {"query": "moon", "k": 1})).structured_content

    assert asyncio.run(use())["hits"][0]["id"] == "b"
